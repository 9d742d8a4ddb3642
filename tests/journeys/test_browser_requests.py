"""Access requests in a real Chromium: asked for a role or a server, reviewed by another, and used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.chromium import barriers, chromiums, give_security_key, watch_for_breaches
from harness.cluster import Agent, Cluster
from harness.people import Person
from harness.processes import until
from harness.witnesses import all_events
from playwright.sync_api import Page, expect

ROLES = """kind: role
version: v7
metadata: {name: db-root}
spec: {allow: {logins: [root], node_labels: {env: test}}}
---
kind: role
version: v7
metadata: {name: dev}
spec:
  allow:
    request:
      roles: [db-root]
      suggested_reviewers: [lena]
      reason: {mode: required, prompt: Which ticket?}
---
kind: role
version: v7
metadata: {name: lead}
spec: {allow: {review_requests: {roles: [db-root]}}}
---
kind: access_list
version: v1
metadata: {name: dbas}
spec: {title: Database people, owners: [{name: lena}], grants: {roles: [db-root]}}
"""

SEEKING = """kind: role
version: v7
metadata: {name: behind-access}
spec: {allow: {logins: ["{{internal.logins}}"], node_labels: {place: behind}}}
---
kind: role
version: v7
metadata: {name: seeker}
spec: {allow: {logins: [nobody-else], request: {search_as_roles: [behind-access]}}}
---
kind: role
version: v7
metadata: {name: overseer}
spec: {allow: {review_requests: {roles: [behind-access], preview_as_roles: [behind-access]}}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path / "place", roles="auth,proxy")
    try:
        started.start().tctl("create", "-f", text=ROLES).ok()
        yield started
    finally:
        if started.process is not None:
            started.stop()


def enter(page: Page, cluster: Cluster, name: str, roles: str, folder: Path, logins: str = "root") -> None:
    give_security_key(page)
    page.goto(f"https://{cluster.proxy}/web/invite/{Person(cluster, name, folder).invite(roles, logins)}")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("heading", name="Servers", level=1).wait_for()
    page.get_by_role("link", name="Access requests").click()
    page.get_by_role("heading", name="Access requests", level=1).wait_for()


def ask(page: Page, reason: str) -> None:
    page.get_by_role("button", name="Ask for access").click()
    page.get_by_role("checkbox", name="db-root").check()
    expect(page.get_by_label("Who should review it")).to_have_value("lena")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_role("dialog")).to_be_visible()  # a reason is missing
    page.get_by_label("Reason").fill(reason)
    assert barriers(page) == []
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_role("listitem").filter(has_text=reason)).to_contain_text("Pending")  # not an earlier one
    expect(page.get_by_role("status")).to_contain_text("waits for a review")


def review(page: Page, answer: str, reason: str) -> None:
    page.reload()
    page.get_by_role("button", name="Review the request of amy for db-root").click()
    page.get_by_label("Reason").fill(reason)
    assert barriers(page) == []
    page.get_by_role("button", name=answer, exact=True).click()
    expect(page.get_by_text("No request waits for you.")).to_be_visible()


def test_asking_and_reviewing(place: Cluster, tmp_path: Path) -> None:
    with chromiums(tmp_path / "a", tmp_path / "b") as (asking, reviewing):
        amy, lena = asking.new_page(), reviewing.new_page()
        enter(amy, place, "amy", "dev", tmp_path)
        enter(lena, place, "lena", "lead", tmp_path)
        ask(amy, "ticket 7")
        expect(amy.get_by_role("listitem").filter(has_text="ticket 7")).to_contain_text("Pending")
        review(lena, "Approve", "fine")
        ask(amy, "ticket 8")
        review(lena, "Deny", "not today")
        amy.reload()
        for ticket, state, reason in (("ticket 7", "Approved", "fine"), ("ticket 8", "Denied", "not today")):
            row = amy.get_by_role("listitem").filter(has_text=ticket)
            expect(row).to_contain_text(re.compile(f"lena · {state} · {reason}"))
        ask(amy, "ticket 9")
        review(lena, "Add to the list", "for good")
        amy.reload()
        promoted = amy.get_by_role("listitem").filter(has_text="ticket 9")
        expect(promoted).to_contain_text("Member of: Database people")
        lena.get_by_role("button", name="Ask for access").click()
        expect(lena.get_by_text("Your roles let you ask for nothing.")).to_be_visible()
        amy.set_viewport_size({"width": 390, "height": 844})
        assert barriers(amy) == []
        assert amy.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    told = [(event["reviewer"], event["proposed_state"]) for event in place.events("access_request.review")]
    assert told == [("lena", "APPROVED"), ("lena", "DENIED"), ("lena", "PROMOTED")]
    assert [
        one["metadata"]["name"] for one in place.tctl("acl", "users", "ls", "dbas", "--format=json").ok().json
    ] == ["amy"]


def test_a_server_that_only_a_request_reaches(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=SEEKING).ok()
    with chromiums(tmp_path / "a", tmp_path / "b") as (asking, reviewing):
        sid, ova = asking.new_page(), reviewing.new_page()
        enter(sid, cluster, "sid", "seeker", tmp_path, LOGIN)
        enter(ova, cluster, "ova", "overseer", tmp_path)
        sid.get_by_role("button", name="Ask for access").click()
        sid.get_by_role("searchbox").fill("behind")
        sid.get_by_role("searchbox").press("Enter")
        sid.get_by_role("checkbox", name="behind").check()
        expect(sid.get_by_role("list", name="Chosen servers")).to_contain_text("behind")
        sid.get_by_label("For how long").select_option("1 hour")
        sid.get_by_label("Reason").fill("disk is full")
        assert barriers(sid) == []
        sid.get_by_role("button", name="Send the request").click()
        expect(sid.get_by_role("status").filter(has_text="waits")).to_be_visible()
        ova.reload()
        ova.get_by_role("button", name=re.compile("^Review the request of sid")).click()
        expect(ova.get_by_role("dialog")).to_contain_text("behind")
        ova.get_by_role("button", name="Approve", exact=True).click()
        expect(ova.get_by_role("status").filter(has_text="approved")).to_be_visible()

        sid.get_by_role("link", name="Servers").click()
        expect(sid.get_by_role("heading", name="No servers yet")).to_be_visible()
        sid.get_by_role("link", name="Access requests").click()
        breaches = watch_for_breaches(sid)
        sid.get_by_role("button", name=re.compile("^Use it now: behind-access")).click()
        strip = sid.get_by_role("region", name="Access taken on")
        expect(strip).to_contain_text("You act with requested access until")
        expect(strip).to_contain_text("behind-access")
        sid.reload()
        expect(strip).to_contain_text("behind")
        sid.get_by_role("link", name="Servers").click()
        sid.get_by_role("button", name="Connect to behind").click()
        with asking.expect_page() as opening:
            sid.get_by_role("link", name="Open a terminal here").click()
        use(opening.value)
        assert breaches == []
        for width in (1280, 390):
            sid.set_viewport_size({"width": width, "height": 844})
            assert barriers(sid) == []
            assert sid.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        strip.get_by_role("button", name=re.compile("^Drop the access to behind-access")).focus()
        sid.keyboard.press("Enter")
        expect(strip).to_have_count(0)
        expect(sid.get_by_role("main")).to_be_focused()
        expect(sid.get_by_role("heading", name="No servers yet")).to_be_visible()

    def starts() -> list[dict[str, Any]]:
        return [event for event in all_events(cluster, "session.start") if event["user"] == "sid"]

    until(lambda: bool(starts()), "told")
    (started,) = starts()
    assert started["access_requests"]


def use(terminal: Page) -> None:
    """The session that was opened is with the access that was taken on, and says so."""
    expect(terminal.get_by_role("region", name="Access taken on")).to_be_visible()
    expect(terminal.get_by_role("status").first).to_contain_text("Connected")
    terminal.locator(".xterm-helper-textarea").focus()
    terminal.keyboard.type("echo reached-$((20+22)); exit\n")
    expect(terminal.get_by_text("The session has ended with status 0.")).to_be_visible()
    expect(terminal.locator(".xterm-rows")).to_contain_text("reached-42")
