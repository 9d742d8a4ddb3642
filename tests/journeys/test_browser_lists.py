"""Access lists in a real Chromium: an owner keeps the members and reviews them, a member sees what the list gives."""

from __future__ import annotations

import re
from pathlib import Path

from harness.chromium import barriers, chromiums, give_security_key, watch_for_breaches
from harness.cluster import Cluster
from harness.people import Person
from playwright.sync_api import Page, expect

LISTS = """kind: role
version: v7
metadata: {name: ledger}
spec: {allow: {logins: [ledger]}}
---
kind: access_list
version: v1
metadata: {name: books}
spec:
  title: Bookkeepers
  description: Who may look into the books.
  owners: [{name: odile}]
  grants: {roles: [ledger], traits: {level: ["3"]}}
  audit: {recurrence: {frequency: 3months}, next_audit_date: "2026-01-02T00:00:00Z"}
---
kind: access_list
version: v1
metadata: {name: temps}
spec:
  title: Temporary staff
  owners: [{name: odile}]
  grants: {roles: [ledger]}
"""


def enter(page: Page, cluster: Cluster, name: str, folder: Path) -> list[str]:
    give_security_key(page)
    breaches = watch_for_breaches(page)
    page.goto(f"https://{cluster.proxy}/web/invite/{Person(cluster, name, folder).invite(roles='access')}")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("heading", name="Servers", level=1).wait_for()
    page.get_by_role("link", name="Access lists").click()
    page.get_by_role("heading", name="Access lists", level=1).wait_for()
    return breaches


def add(page: Page, member: str, kind: str = "A person") -> None:
    page.get_by_role("button", name="Add a member").click()
    page.get_by_role("radio", name=kind).check()
    page.get_by_label("Name of the list" if kind == "Another list" else "User name").fill(member)
    if kind == "A person":
        page.get_by_label("Until the end of").fill("2099-12-31")
        page.get_by_label("Reason").fill("on call")
    assert barriers(page) == []
    page.get_by_label("Reason").press("Enter")
    expect(page.get_by_role("status").filter(has_text="was added")).to_contain_text(f"{member} was added")


def members(cluster: Cluster) -> list[str]:
    listed = cluster.tctl("acl", "users", "ls", "books", "--format=json").ok().json
    return sorted(one["metadata"]["name"] for one in listed)


def test_an_owner_and_a_member(cluster: Cluster, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=LISTS).ok()
    with chromiums(tmp_path / "a", tmp_path / "b") as (owning, belonging):
        odile, bert = owning.new_page(), belonging.new_page()
        breaches = enter(odile, cluster, "odile", tmp_path)
        entry = odile.get_by_role("listitem").filter(has_text="Bookkeepers")
        expect(entry).to_contain_text("Owner")
        expect(entry).to_contain_text("Review is late")
        expect(odile.get_by_role("listitem").filter(has_text="Temporary staff")).not_to_contain_text("late")
        odile.get_by_role("link", name="Bookkeepers").focus()
        odile.keyboard.press("Enter")
        expect(odile.get_by_role("heading", name="Bookkeepers", level=1)).to_be_focused()
        expect(odile.get_by_text("role ledger")).to_be_visible()
        assert breaches == []
        add(odile, "bert")
        add(odile, "eve")
        add(odile, "temps", "Another list")
        assert members(cluster) == ["bert", "eve", "temps"]
        expect(odile.get_by_role("link", name="Temporary staff")).to_be_visible()
        add_self_is_refused(odile)

        breaches = enter(bert, cluster, "bert", tmp_path)
        bert.get_by_role("link", name="Bookkeepers").click()
        expect(bert.get_by_text("on call").first).to_be_visible()
        expect(bert.get_by_role("button", name=re.compile("Add a member|Remove|Review"))).to_have_count(0)
        bert.get_by_role("link", name="Account").click()
        expect(bert.get_by_role("heading", name="Account", level=1)).to_be_visible()
        expect(bert.get_by_text("access, ledger")).to_be_visible()  # it came with the login after the membership
        assert breaches == []

        odile.get_by_role("button", name="Remove eve").click()
        odile.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
        expect(odile.get_by_role("status").filter(has_text="eve was removed")).to_be_visible()
        odile.get_by_role("button", name="Review the members").click()
        odile.get_by_role("checkbox", name="bert").uncheck()
        odile.get_by_label("Notes").fill("left the team")
        assert barriers(odile) == []
        odile.get_by_role("button", name="Record the review").click()
        expect(odile.get_by_role("status").filter(has_text="The review is recorded")).to_be_visible()
        expect(odile.get_by_text("Removed: bert")).to_be_visible()
        expect(odile.get_by_text("Review is late")).to_have_count(0)
        assert members(cluster) == ["temps"]
        odile.get_by_role("link", name="Temporary staff").click()
        expect(odile.get_by_role("heading", name="Temporary staff", level=1)).to_be_focused()
        bert.goto(f"https://{cluster.proxy}/web/lists/books")
        expect(bert.get_by_role("alert")).to_be_visible()  # what the list gave is gone from the session, and told so
        for width in (1280, 390):
            odile.set_viewport_size({"width": width, "height": 844})
            assert barriers(odile) == []
            assert odile.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    (reviewed,) = cluster.events("access_list.review")
    assert reviewed["removed_members"] == ["bert"]


def add_self_is_refused(page: Page) -> None:
    page.get_by_role("button", name="Add a member").click()
    page.get_by_label("User name").fill("odile")
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("somebody else has to add you")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add a member")).to_be_focused()
