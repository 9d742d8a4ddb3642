"""The web application in a real Chromium: sign-up, login, servers, account, endings, two languages, strict policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.chromium import chromium, give_security_key, watch_for_breaches
from harness.cluster import Agent, Cluster
from harness.people import PASSWORD, Person, one_time_code
from playwright.sync_api import BrowserContext, Page, expect

SERVERS = """kind: node
sub_kind: openssh
version: v2
metadata:
  name: 5f1d6b7a-2f6e-4a53-9a4e-0c4b1a2d3e{number:02d}
  expires: "2099-01-01T00:00:00Z"
  labels: {{env: {env}, team: {team}}}
spec: {{hostname: {name}, addr: "10.20.1.{number}:22"}}
"""
HOSTS = (
    ("pay-api-01", "production", "payments"),
    ("pay-api-02", "production", "payments"),
    ("web-1", "staging", "shop"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without agents that knows three servers."""
    started = Cluster(tmp_path_factory.mktemp("place"), roles="auth,proxy")
    try:
        started.start()
        for number, (name, env, team) in enumerate(HOSTS, 10):
            started.tctl("create", "-f", text=SERVERS.format(number=number, name=name, env=env, team=team)).ok()
        yield started
    finally:
        if started.process is not None:
            started.stop()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BrowserContext]:
    with chromium(tmp_path / "profile") as opened:
        yield opened


def open_page(context: BrowserContext, cluster: Cluster, path: str) -> Page:
    page = context.new_page()
    page.goto(f"https://{cluster.proxy}{path}")
    return page


def invited(cluster: Cluster, name: str, tmp_path: Path) -> str:
    return "/web/invite/" + Person(cluster, name, tmp_path / name).invite(logins="root,deploy")


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


@dataclass
class Signed:
    """Somebody who chose a password and codes."""

    name: str
    secret: str
    code: str


def sign_up_with_code(page: Page, cluster: Cluster, name: str, tmp_path: Path) -> Signed:
    page.goto(f"https://{cluster.proxy}{invited(cluster, name, tmp_path)}")
    page.get_by_role("radio", name="Password and second factor").check()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    secret = page.locator("code").inner_text()
    code = one_time_code(secret)
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Finish").click()
    heading(page, "Servers")
    return Signed(name, secret, code)


def sign_up_with_passkey(page: Page, cluster: Cluster, name: str, tmp_path: Path) -> None:
    page.goto(f"https://{cluster.proxy}{invited(cluster, name, tmp_path)}")
    page.get_by_role("button", name="Create a passkey").click()
    heading(page, "Servers")


def log_out(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Your menu")).click()
    page.get_by_role("button", name="Log out").click()
    heading(page, "Log in to alpha.example")


def test_sign_up_and_login_with_a_passkey_alone(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    breaches = watch_for_breaches(page)
    sign_up_with_passkey(page, place, "grace", tmp_path)
    expect(page.get_by_role("rowheader", name="pay-api-01")).to_be_visible()
    log_out(page)
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    page.get_by_role("button", name="Log in with a passkey").click()
    heading(page, "Servers")
    expect(page.get_by_role("button", name="Your menu: grace")).to_be_visible()
    expect(page).to_have_title("Servers · Teleport")
    assert breaches == []


def test_sign_up_and_login_with_password_and_code(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = open_page(context, place, invited(place, "heidi", tmp_path))
    breaches = watch_for_breaches(page)
    page.get_by_role("radio", name="Password and second factor").check()
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password again").fill("shorter")
    picture = page.get_by_alt_text("QR code for the authenticator application")
    expect(picture).to_be_visible()
    width = picture.evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert width > 100, "the policy lets the picture in"
    secret = page.locator("code").inner_text()
    code = one_time_code(secret)
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("alert").first).to_contain_text("at least 12 characters; it has 5")
    expect(page.get_by_role("alert").last).to_contain_text("The two passwords differ.")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Finish").click()
    heading(page, "Servers")
    assert breaches == []
    log_out(page)
    page.get_by_label("User name").fill("heidi")
    page.get_by_label("Password", exact=True).fill("the wrong password")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("User name, password or second factor is wrong.")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("User name, password or second factor is wrong.")
    person = Person(place, "heidi", tmp_path, secret, {code})
    page.get_by_label("Six-digit code").fill(person.code())
    page.get_by_role("button", name="Log in").click()
    heading(page, "Servers")


def test_login_with_password_and_security_key(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    page.goto(f"https://{place.proxy}{invited(place, 'kim', tmp_path)}")
    page.get_by_role("radio", name="Password and second factor").check()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("radio", name="Security key or passkey").check()
    page.get_by_role("button", name="Register key and finish").click()
    heading(page, "Servers")
    log_out(page)
    page.get_by_label("User name").fill("kim")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Use security key or passkey").click()
    heading(page, "Servers")


def test_servers_are_searched_and_a_reload_keeps_all(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    sign_up_with_passkey(page, place, "ivan", tmp_path)
    expect(page.get_by_text("3 servers")).to_be_visible()
    page.get_by_role("searchbox").fill("pay")
    expect(page.get_by_role("rowheader", name="web-1")).to_be_hidden()
    expect(page.get_by_role("rowheader", name="pay-api-02")).to_be_visible()
    page.get_by_role("row", name=re.compile("pay-api-01")).get_by_role("button", name="env=production").click()
    expect(page).to_have_url(re.compile(r"search=pay&label=env%3Dproduction$"))
    page.reload()
    expect(page.get_by_text("2 servers")).to_be_visible()
    page.get_by_role("button", name="Drop env=production").click()
    page.get_by_role("searchbox").fill("no such server")
    expect(page.get_by_role("heading", name="No server matches")).to_be_visible()
    page.get_by_role("button", name="Clear the search").click()
    expect(page.get_by_text("3 servers")).to_be_visible()
    session = {cookie["name"]: cookie for cookie in context.cookies()}["__Host-session"]
    assert session["httpOnly"]
    assert session["secure"]
    assert session["sameSite"] in ("Lax", "Strict")
    assert session["value"] not in page.content()


def test_the_way_to_a_server_is_copied(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    sign_up_with_passkey(page, place, "judy", tmp_path)
    page.get_by_role("button", name="Connect to pay-api-02").click()
    dialog = page.get_by_role("dialog", name="Connect to pay-api-02")
    expect(dialog).to_contain_text(f"tsh login --proxy={place.proxy} --user=judy")
    dialog.get_by_label("Log in as").select_option("deploy")
    dialog.get_by_role("button", name="Copy the command to connect").click()
    expect(dialog.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "tsh ssh deploy@pay-api-02"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Connect to pay-api-02")).to_be_focused()


def test_a_server_that_joined_is_listed(
    cluster: Cluster, agent: Agent, context: BrowserContext, tmp_path: Path
) -> None:
    page = open_page(context, cluster, "/web/login")
    give_security_key(page)
    sign_up_with_passkey(page, cluster, "leo", tmp_path)
    row = page.get_by_role("row", name=re.compile("behind"))
    expect(row).to_contain_text("Through the tunnel")
    expect(row).to_contain_text("place=behind")


def test_devices_are_added_and_removed_with_proof(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    breaches = watch_for_breaches(page)
    sign_up_with_passkey(page, place, "mona", tmp_path)
    page.get_by_role("link", name="Account").click()
    expect(page).to_have_title("Account · Teleport")
    expect(page.get_by_role("heading", name="Account", level=1)).to_be_focused()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("radio", name="Authenticator application").check()
    page.get_by_label("Name", exact=True).fill("my phone")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Use security key or passkey").click()
    secret = page.get_by_role("dialog").locator("code").inner_text()
    code = one_time_code(secret)
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("my phone was added.")).to_be_visible()
    assert breaches == []
    page.get_by_role("button", name="Remove my phone").click()
    page.get_by_role("button", name="Use a code instead").click()
    page.get_by_label("Six-digit code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("code is wrong")
    page.get_by_role("button", name="Use a security key instead").click()
    page.get_by_role("button", name="Use security key or passkey").click()
    expect(page.get_by_text("my phone was removed.")).to_be_visible()
    page.get_by_role("button", name="Remove passkey").click()
    page.get_by_role("button", name="Use security key or passkey").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("your last device")


def test_the_password_is_changed_with_the_old_one_and_a_factor(
    place: Cluster, context: BrowserContext, tmp_path: Path
) -> None:
    page = context.new_page()
    signed = sign_up_with_code(page, place, "nina", tmp_path)
    person = Person(place, "nina", tmp_path, signed.secret, {signed.code})
    page.get_by_role("link", name="Account").click()
    for old in ("not the password", PASSWORD):
        page.get_by_label("Present password").fill(old)
        page.get_by_label("New password").fill("another long pässword")
        page.get_by_label("Password again").fill("another long pässword")
        page.get_by_role("button", name="Change the password").click()
        page.get_by_label("Six-digit code").fill(person.code())
        page.get_by_role("button", name="Continue").click()
        if old != PASSWORD:
            wrong = "The present password or the second factor is wrong."
            expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(wrong)
            page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("The password was changed.")).to_be_visible()
    events = place.events("user.login")
    assert sum(event["code"] == "T1000W" and event["user"] == "nina" for event in events) <= 1, (
        "asked once, not twice"
    )


def test_a_session_that_ends_leads_to_the_login_and_back(
    place: Cluster, context: BrowserContext, tmp_path: Path
) -> None:
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    sign_up_with_passkey(page, place, "olga", tmp_path)
    page.get_by_role("searchbox").fill("web")
    expect(page).to_have_url(re.compile("search=web$"))
    context.clear_cookies(name="__Host-session")
    page.get_by_role("searchbox").fill("web-1")
    heading(page, "Log in to alpha.example")
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page).to_have_url(re.compile("/web/servers.search=web"))
    expect(page.get_by_role("rowheader", name="web-1")).to_be_visible()


def test_logging_out_ends_every_page(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    first = open_page(context, place, "/web/login")
    give_security_key(first)
    sign_up_with_passkey(first, place, "pia", tmp_path)
    second = open_page(context, place, "/web/account")
    heading(second, "Account")
    first.get_by_role("searchbox").fill("web")
    expect(first.get_by_text("1 server", exact=True)).to_be_visible()
    log_out(first)
    heading(second, "Log in to alpha.example")


def test_silence_is_warned_of_and_ends_the_session(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(f"https://{place.proxy}/web/login")
    give_security_key(page)
    sign_up_with_passkey(page, place, "quin", tmp_path)
    page.clock.fast_forward("09:10")
    expect(page.get_by_text("You will be logged out in 0:")).to_be_visible()
    page.get_by_role("button", name="Stay logged in").click()
    page.clock.run_for(2_000)
    expect(page.get_by_text("You will be logged out in")).to_be_hidden()
    page.clock.fast_forward("10:05")
    expect(page.get_by_text("You were logged out because nothing happened")).to_be_visible()
    assert "__Host-session" not in {cookie["name"] for cookie in context.cookies()}


def test_an_absent_cluster_is_told_and_asked_again(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = open_page(context, place, "/web/login")
    give_security_key(page)
    sign_up_with_passkey(page, place, "rosa", tmp_path)
    context.set_offline(True)
    page.get_by_role("searchbox").fill("web")
    expect(page.get_by_role("alert")).to_contain_text("The cluster cannot be reached.")
    context.set_offline(False)
    page.get_by_role("searchbox").fill("web-1")
    expect(page.get_by_text("1 server", exact=True)).to_be_visible()
    page.route("**/webapi/**", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The cluster cannot be reached.")
    page.unroute("**/webapi/**")
    page.get_by_role("button", name="Try again").click()
    heading(page, "Servers")


def test_a_passkey_that_is_not_used_can_be_tried_again(
    place: Cluster, context: BrowserContext, tmp_path: Path
) -> None:
    page = open_page(context, place, invited(place, "sara", tmp_path))
    give_security_key(page, verified=False)
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The passkey or security key was not used")
    expect(page.get_by_role("button", name="Create a passkey")).to_be_enabled()


def test_a_browser_without_passkeys_signs_up_with_a_code(
    place: Cluster, context: BrowserContext, tmp_path: Path
) -> None:
    page = context.new_page()
    page.add_init_script("delete window.PublicKeyCredential")
    page.goto(f"https://{place.proxy}{invited(place, 'tina', tmp_path)}")
    expect(page.get_by_alt_text(re.compile("QR code"))).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(0)
    page.goto(f"https://{place.proxy}/web/login")
    expect(page.get_by_label("User name")).to_be_focused()
    expect(page.get_by_role("button", name="Log in with a passkey")).to_have_count(0)


def test_five_wrong_codes_lock_and_look_the_same(place: Cluster, context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    signed = sign_up_with_code(page, place, "uma", tmp_path)
    log_out(page)
    page.get_by_label("User name").fill("uma")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    for code in [*["000000"] * 5, Person(place, "uma", tmp_path, signed.secret, {signed.code}).code()]:
        page.get_by_label("Six-digit code").fill(code)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_label("Six-digit code")).to_have_value("")
        expect(page.get_by_role("alert")).to_contain_text("User name, password or second factor is wrong.")


def test_a_used_link_says_so_in_korean(place: Cluster, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile", locale="ko-KR") as context:
        page = open_page(context, place, "/web/invite/" + "0" * 32)
        heading(page, "이 링크는 더 이상 유효하지 않습니다")
        assert page.locator("html").get_attribute("lang") == "ko"
        page.get_by_role("link", name="로그인으로 이동").click()
        heading(page, "alpha.example에 로그인")
        page.get_by_label("언어").select_option("en")
        heading(page, "Log in to alpha.example")
        page.reload()
        heading(page, "Log in to alpha.example")
