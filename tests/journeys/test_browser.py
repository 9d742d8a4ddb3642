"""The web application in a real Chromium: sign-up, login, servers, logout, two languages, a strict policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.chromium import chromium, give_security_key, watch_for_breaches
from harness.cluster import Agent, Cluster
from harness.people import PASSWORD, Person, one_time_code
from playwright.sync_api import BrowserContext, Page, expect


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BrowserContext]:
    with chromium(tmp_path / "profile") as opened:
        yield opened


def open_page(context: BrowserContext, cluster: Cluster, path: str) -> Page:
    page = context.new_page()
    page.goto(f"https://{cluster.proxy}{path}")
    return page


def invited(cluster: Cluster, name: str, tmp_path: Path) -> str:
    return "/web/invite/" + Person(cluster, name, tmp_path / name).invite()


def test_sign_up_and_login_with_a_passkey_alone(
    cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path
) -> None:
    page = open_page(context, cluster, "/web/login")
    give_security_key(page)
    breaches = watch_for_breaches(page)
    page.goto(f"https://{cluster.proxy}{invited(cluster, 'grace', tmp_path)}")
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_role("heading", name="Servers")).to_be_visible()
    expect(page.get_by_role("rowheader", name="behind")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to alpha.example")).to_be_visible()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("heading", name="Servers")).to_be_visible()
    expect(page.get_by_text("grace")).to_be_visible()
    assert breaches == []


def test_sign_up_and_login_with_password_and_code(
    cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path
) -> None:
    page = open_page(context, cluster, invited(cluster, "heidi", tmp_path))
    page.get_by_role("tab", name="Password and second factor").click()
    page.get_by_label("Password, 12").fill("short")
    page.get_by_label("Password again").fill("short")
    secret = page.locator("code").inner_text()
    expect(page.get_by_alt_text(re.compile("Scan this code"))).to_be_visible()
    code = one_time_code(secret)
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("alert")).to_contain_text("at least 12 characters")
    page.get_by_label("Password, 12").fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="Servers")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("User name").fill("heidi")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("invalid username, password or second factor")


def test_servers_are_searched_and_a_reload_keeps_the_session(
    cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path
) -> None:
    page = open_page(context, cluster, "/web/login")
    give_security_key(page)
    page.goto(f"https://{cluster.proxy}{invited(cluster, 'ivan', tmp_path)}")
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_role("rowheader", name="alpha")).to_be_visible()
    page.get_by_role("searchbox").fill("place=behind")
    page.get_by_role("searchbox").fill("behind")
    expect(page.get_by_role("rowheader", name="alpha")).to_be_hidden()
    expect(page.get_by_role("rowheader", name="behind")).to_be_visible()
    page.reload()
    expect(page.get_by_role("rowheader", name="alpha")).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    session = cookies["__Host-session"]
    assert session["httpOnly"]
    assert session["secure"]
    assert session["sameSite"] in ("Lax", "Strict")


def test_a_used_link_says_so_in_korean(cluster: Cluster, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile", locale="ko-KR") as context:
        page = open_page(context, cluster, "/web/invite/" + "0" * 32)
        expect(page.get_by_role("heading", name="이 링크는 더 이상 유효하지 않습니다")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "ko"
