"""Recovery codes in a real Chromium: kept once, then the way back in without the password, or without the device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.chromium import barriers, chromium, give_security_key, watch_for_breaches
from harness.cluster import Cluster
from harness.people import PASSWORD, Person
from playwright.sync_api import BrowserContext, Page, expect

LATER = "a password chosen later"
CODE = re.compile(r"^tele(-[a-z2-9]{4}){5}$")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BrowserContext]:
    with chromium(tmp_path / "profile") as opened:
        yield opened


def codes_shown(page: Page) -> list[str]:
    """Those that are on the screen this once."""
    shown = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(shown).to_have_count(3)
    codes = shown.all_inner_texts()
    assert all(CODE.fullmatch(code) for code in codes), codes
    return codes


def begin(page: Page, lost: str, user: str, code: str) -> None:
    page.get_by_role("link", name="Lost your password or second factor?").click()
    page.get_by_role("radio", name=lost).check()
    page.get_by_label("User name").fill(user)
    page.get_by_label("Recovery code").fill(code)
    page.keyboard.press("Enter")


def test_back_in_with_a_code(cluster: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    give_security_key(page)
    breaches = watch_for_breaches(page)
    token = Person(cluster, "renata", tmp_path).invite("access")
    page.goto(f"https://{cluster.proxy}/web/invite/{token}")
    page.get_by_role("radio", name="Password and second factor").check()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("radio", name="Security key or passkey").check()
    page.get_by_role("button", name="Register key and finish").click()
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("You have no recovery codes.")).to_be_visible()
    page.get_by_role("button", name="Create new codes").click()
    page.get_by_role("dialog").get_by_role("button", name="Use security key or passkey").click()
    codes = codes_shown(page)
    assert breaches == []
    assert barriers(page) == []
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_text(re.compile("^3 codes are left"))).to_be_visible()
    page.reload()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    assert not any(code in page.content() for code in codes)
    page.get_by_role("button", name=re.compile("^Your menu")).click()
    page.get_by_role("button", name="Log out").click()

    begin(page, "The password", "renata", codes[0].upper().replace("-", " "))
    page.get_by_role("button", name="Use security key or passkey").click()
    page.get_by_label("New password").fill(LATER)
    page.get_by_label("Password again").fill(LATER)
    assert barriers(page) == []
    page.get_by_role("button", name="Change the password").click()
    fresh = codes_shown(page)
    assert set(fresh).isdisjoint(codes)
    page.get_by_role("link", name="Go to log in").click()

    page.close()  # and with it the key that is lost
    page = context.new_page()
    give_security_key(page)
    page.goto(f"https://{cluster.proxy}/web/login")
    begin(page, "The second factor", "renata", codes[1])
    expect(page.get_by_role("alert")).to_contain_text("is wrong")  # the old codes are good no more
    page.get_by_label("Recovery code").fill(fresh[0])
    page.keyboard.press("Enter")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("is wrong")
    page.get_by_label("Password", exact=True).fill(LATER)
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="Passkey").check()
    page.get_by_label("Name").fill("new laptop")
    page.get_by_role("button", name="Register it now").click()
    codes_shown(page)
    page.get_by_role("link", name="Go to log in").click()
    page.get_by_role("button", name="Log in with a passkey").click()
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_role("listitem").filter(has_text="new laptop")).to_be_visible()
    expect(page.get_by_text(re.compile("^3 codes are left"))).to_be_visible()
    events = cluster.events("recovery_code.used", "recovery_code.generated")
    told = [event["event"] for event in events if event["user"] == "renata"]
    assert (told.count("recovery_code.used"), told.count("recovery_code.generated")) == (4, 3)
