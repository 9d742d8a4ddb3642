"""Everybody can use every page: screen readers, keyboards, small screens, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.chromium import barriers, chromium, give_security_key
from harness.cluster import Cluster
from harness.people import Person
from playwright.sync_api import BrowserContext, Page, expect

SERVER = """kind: node
sub_kind: openssh
version: v2
metadata:
  name: 5f1d6b7a-2f6e-4a53-9a4e-0c4b1a2d3e01
  expires: "2099-01-01T00:00:00Z"
  labels: {env: production, region: ap-northeast-2, a-label-with-a-long-name: "and a value that is longer still"}
spec: {hostname: a-server-with-a-name-as-long-as-some-people-make-them.internal, addr: "10.20.1.11:22"}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("place"), roles="auth,proxy")
    try:
        started.start().tctl("create", "-f", text=SERVER).ok()
        yield started
    finally:
        if started.process is not None:
            started.stop()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BrowserContext]:
    with chromium(tmp_path / "profile") as opened:
        yield opened


def check(page: Page, what: str) -> None:
    """No barrier in light or dark, wide or narrow, and nothing to scroll sideways on a telephone."""
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate("Promise.allSettled(document.getAnimations().map(each => each.finished))")
            found += [f"{what}, {scheme}, {width}: {each}" for each in barriers(page)]
            excess = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            found += [f"{what}, {scheme}: {excess} pixels too wide for {width}"] if excess > 0 else []
    page.set_viewport_size({"width": 1280, "height": 800})
    assert found == []


def test_before_the_login(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    give_security_key(page)
    page.goto(f"https://{place.proxy}/web/login")
    page.get_by_label("User name").fill("nobody")
    check(page, "login")
    page.get_by_label("Password", exact=True).fill("wrong password")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, "failed login")
    page.get_by_role("link", name="Lost your password or second factor?").click()
    page.get_by_label("Recovery code").wait_for()
    check(page, "recovery")
    page.goto(f"https://{place.proxy}/web/invite/{'0' * 32}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    check(page, "gone link")
    page.goto(f"https://{place.proxy}/web/invite/{Person(place, 'ann', tmp_path).invite()}")
    page.get_by_role("button", name="Create a passkey").wait_for()
    check(page, "sign-up by passkey")
    page.get_by_role("radio", name="Password and second factor").check()
    expect(page.get_by_alt_text(re.compile("QR code"))).to_be_visible()
    check(page, "sign-up by password")


def test_behind_the_login(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    give_security_key(page)
    page.goto(f"https://{place.proxy}/web/invite/{Person(place, 'ben', tmp_path).invite(logins='root')}")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("button", name=re.compile("^Connect to")).wait_for()
    states: list[tuple[str, Callable[[], None]]] = [
        ("servers", lambda: None),
        ("server menu", lambda: page.get_by_role("button", name=re.compile("^Your menu")).click()),
        ("connect", lambda: open_dialog(page, re.compile("^Connect to"))),
        ("no match", lambda: search(page, "nothing at all")),
        ("requests", lambda: ask(page)),
        ("lists", lambda: lists(page)),
        ("account", lambda: go(page, "Account")),
        ("add device", lambda: open_dialog(page, re.compile("^Add$"))),
        ("not found", lambda: elsewhere(page, f"https://{place.proxy}/web/no/such/page")),
    ]
    for name, arrive in states:
        arrive()
        check(page, name)
        page.keyboard.press("Escape")


def open_dialog(page: Page, name: re.Pattern[str]) -> None:
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def search(page: Page, words: str) -> None:
    page.get_by_role("searchbox").fill(words)
    expect(page.get_by_role("heading", name="No server matches")).to_be_visible()


def go(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("listitem").filter(has_text="passkey")).to_be_visible()


def ask(page: Page) -> None:
    page.get_by_role("link", name="Access requests").click()
    expect(page.get_by_text("You have asked for nothing.")).to_be_visible()
    page.get_by_role("button", name="Ask for access").click()
    expect(page.get_by_text("Your roles let you ask for nothing.")).to_be_visible()


def lists(page: Page) -> None:
    page.get_by_role("link", name="Access lists").click()
    expect(page.get_by_text("No access list concerns you.")).to_be_visible()


def elsewhere(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_a_keyboard_is_enough(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    give_security_key(page)
    page.goto(f"https://{place.proxy}/web/invite/{Person(place, 'cal', tmp_path).invite(logins='root')}")
    page.get_by_role("button", name="Create a passkey").wait_for()
    page.get_by_role("button", name="Create a passkey").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("^Connect to")).wait_for()
    page.reload()
    page.get_by_role("button", name=re.compile("^Connect to")).wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=re.compile("^Connect to"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^Connect to"))).to_be_focused()


def test_a_small_screen_has_a_menu(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    give_security_key(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"https://{place.proxy}/web/invite/{Person(place, 'dan', tmp_path).invite(logins='root')}")
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_role("link", name="Account")).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_role("heading", name="Account", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Account")).to_be_hidden()


def test_dark_is_chosen_and_kept(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    give_security_key(page)
    page.goto(f"https://{place.proxy}/web/invite/{Person(place, 'eva', tmp_path).invite(logins='root')}")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("button", name=re.compile("^Your menu")).click()
    page.get_by_label("Appearance").select_option("dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    page.get_by_role("heading", name="Servers", level=1).wait_for()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 120
