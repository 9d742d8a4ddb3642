"""Access requests in a real Chromium: one asks for a role, another reviews, and both see what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.chromium import barriers, chromiums, give_security_key
from harness.cluster import Cluster
from harness.people import Person
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


def enter(page: Page, cluster: Cluster, name: str, roles: str, folder: Path) -> None:
    give_security_key(page)
    page.goto(
        f"https://{cluster.proxy}/web/invite/{Person(cluster, name, folder).invite(roles=roles, logins='root')}"
    )
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
        lena.get_by_role("button", name="Ask for access").click()
        expect(lena.get_by_text("Your roles let you ask for no role.")).to_be_visible()
        amy.set_viewport_size({"width": 390, "height": 844})
        assert barriers(amy) == []
        assert amy.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    told = [(event["reviewer"], event["proposed_state"]) for event in place.events("access_request.review")]
    assert told == [("lena", "APPROVED"), ("lena", "DENIED")]
