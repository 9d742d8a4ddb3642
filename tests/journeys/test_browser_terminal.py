"""A terminal in a real Chromium: on a server behind the tunnel, recorded, with a second factor where a role asks."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.chromium import barriers, chromium, give_security_key, watch_for_breaches
from harness.cluster import Agent, Cluster
from harness.people import Person
from harness.processes import until
from harness.witnesses import all_events
from playwright.sync_api import BrowserContext, Page, expect
from websockets import InvalidStatus, Origin
from websockets.sync.client import ClientConnection, connect

CAREFUL = """
kind: role
version: v7
metadata: {name: careful}
spec:
  options: {require_session_mfa: true}
  allow: {logins: ["{{internal.logins}}"], node_labels: {"*": "*"}}
"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BrowserContext]:
    with chromium(tmp_path / "profile") as opened:
        yield opened


def entered(context: BrowserContext, cluster: Cluster, person: Person, roles: str) -> Page:
    page = context.new_page()
    give_security_key(page)
    page.goto(f"https://{cluster.proxy}/web/invite/{person.invite(roles, LOGIN)}")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("button", name="Connect to behind").wait_for()
    return page


def run(page: Page, command: str, expected: str) -> None:
    expect(page.get_by_role("status").first).to_contain_text("Connected", timeout=30_000)
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type(command + "\n")
    expect(page.locator(".xterm-rows")).to_contain_text(expected, timeout=60_000)


def test_a_session_in_the_browser(cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path) -> None:
    page = entered(context, cluster, Person(cluster, "tess", tmp_path), "access")
    page.get_by_role("button", name="Connect to behind").click()
    page.get_by_label("Log in as").select_option(LOGIN)
    with context.expect_page() as opening:
        page.get_by_role("link", name="Open a terminal here").click()
    terminal = opening.value
    breaches = watch_for_breaches(terminal)
    expect(terminal.get_by_role("heading", level=1)).to_have_text(f"{LOGIN} on behind")
    expect(terminal.get_by_role("status").first).to_contain_text("Connected")
    coloured = "printf '\\033[38;2;255;0;0mcolour\\033[0m \\xed\\x95\\x9c\\xea\\xb8\\x80\\n'"
    run(terminal, f"{coloured}; echo hello-$((20+22))", "hello-42")
    expect(terminal.locator(".xterm-rows")).to_contain_text("한글")
    run(terminal, "stty size; echo wide-$((1+1))", "wide-2")
    terminal.set_viewport_size({"width": 700, "height": 600})
    run(terminal, "until [ $(tput cols) -lt 100 ]; do sleep 0.1; done; echo narrow-$((1+1))", "narrow-2")
    assert breaches == []
    assert barriers(terminal) == []
    breaches.clear()  # what looks for barriers styles the page as it may not
    terminal.keyboard.type("exit 3\n")
    expect(terminal.get_by_text("The session has ended with status 3.")).to_be_visible()
    terminal.get_by_role("button", name="Open it again").click()
    run(terminal, "echo again-$((1+1))", "again-2")
    cluster.tctl("lock", "--user=tess", "--message=enough", "--ttl=10m").ok()
    expect(terminal.locator(".xterm-rows")).to_contain_text("enough", timeout=20_000)
    expect(terminal.get_by_role("status").first).to_contain_text("Closed")
    assert breaches == []

    def recorded() -> bool:
        uploads = [one for one in all_events(cluster, "session.upload") if one.get("user", "tess") == "tess"]
        starts = [one for one in all_events(cluster, "session.start") if one["user"] == "tess"]
        return len(starts) == 2 and len(uploads) >= 2

    until(recorded, "recorded and told")


def test_a_second_factor_first(cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=CAREFUL).ok()
    page = entered(context, cluster, Person(cluster, "mia", tmp_path), "careful")
    server = next(
        node["metadata"]["name"]
        for node in cluster.tctl("nodes", "ls", "--format=json").ok().json
        if node["spec"]["hostname"] == "behind"
    )
    page.goto(f"https://{cluster.proxy}/web/terminal/{server}/{LOGIN}")
    page.get_by_role("button", name=re.compile("security key or passkey")).click()
    run(page, "echo proven-$((1+1))", "proven-2")
    page.keyboard.type("exit\n")
    expect(page.get_by_text("The session has ended with status 0.")).to_be_visible()

    def starts() -> list[dict[str, Any]]:
        return [one for one in all_events(cluster, "session.start") if one["user"] == "mia"]

    until(lambda: bool(starts()), "told")
    assert starts()[0]["with_mfa"]


def test_what_may_not_be_opened_says_why(
    cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path
) -> None:
    page = entered(context, cluster, Person(cluster, "nell", tmp_path), "access")
    page.goto(f"https://{cluster.proxy}/web/terminal/00000000-0000-4000-8000-000000000000/{LOGIN}")
    expect(page.get_by_role("alert")).to_contain_text("access to node denied")
    expect(page.get_by_role("alert")).to_contain_text("Event")


@pytest.mark.parametrize("origin", ["https://evil.example", ""])
def test_a_page_of_another_site_opens_none(cluster: Cluster, origin: str) -> None:
    context = ssl._create_unverified_context()
    cookie = {"Cookie": f"__Host-session={'0' * 64}"}
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"wss://{cluster.proxy}/webapi/terminal",
            ssl=context,
            origin=Origin(origin) if origin else None,
            additional_headers=cookie,
        ).close()
    assert refused.value.response.status_code == 403


@contextmanager
def raw_terminal(cluster: Cluster, person: Person, token: str = "") -> Iterator[ClientConnection]:
    """What a page does, without one: the bearer token of the session, or another, in the first message."""
    browser = person.sign_up(person.invite("access", LOGIN))
    (server,) = (
        node["metadata"]["name"]
        for node in cluster.tctl("nodes", "ls", "--format=json").ok().json
        if node["spec"]["hostname"] == "behind"
    )
    with connect(
        f"wss://{cluster.proxy}/webapi/terminal",
        ssl=ssl._create_unverified_context(),
        origin=Origin(f"https://{cluster.proxy}"),
        additional_headers={"Cookie": f"__Host-session={browser.cookie('__Host-session')}"},
    ) as link:
        link.send(json.dumps({"token": token or browser.bearer, "server": server, "login": LOGIN}))
        yield link


def told(link: ClientConnection) -> dict[str, Any]:
    """The next that is no output."""
    while isinstance(message := link.recv(timeout=60), bytes):
        pass
    found: dict[str, Any] = json.loads(message)
    return found


def test_a_session_that_ends_elsewhere_ends_its_terminals(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    with raw_terminal(cluster, Person(cluster, "olaf", tmp_path)) as link:
        assert told(link) == {"state": "open", "name": "behind"}
        cluster.tctl("users", "reset", "olaf").ok()  # takes all of the person's web sessions
        ended = told(link)
        assert (ended["state"], ended["code"]) == ("failed", "not_authenticated")


def test_a_page_without_the_token_of_its_session_opens_none(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    with raw_terminal(cluster, Person(cluster, "pia", tmp_path), "0" * 64) as link:
        assert told(link)["state"] == "failed"
    assert not [one for one in all_events(cluster, "session.start") if one["user"] == "pia"]
