"""The built application as browsers get it: its files, what may be kept, what every answer says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from browser_side import Browser, CrashingTransport, WebSide, web_app

from teleport.proxy.web.pages import Pages
from teleport.proxy.web.safety import HEADERS


async def test_the_front_door_leads_to_the_application(side: WebSide) -> None:
    answer = await side.browser().ask("GET", "/")
    assert (answer.status, answer.header("location")) == (302, "/web")


@pytest.mark.parametrize("path", ["/web", "/web/", "/web/login", "/web/servers/deep/er", "/web/index.html"])
async def test_every_page_is_the_application(side: WebSide, path: str) -> None:
    answer = await side.browser().ask("GET", path)
    assert answer.status == 200
    assert b"<title>built</title>" in answer.body
    assert answer.header("content-type").startswith("text/html")
    assert answer.header("cache-control") == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/web/../pages.py",
        "/web/%2e%2e/%2e%2e/pages.py",
        "/web/..%2f..%2fpages.py",
        "/web//etc/passwd",
        "/web/%2fetc%2fpasswd",
        "/web/..\\pages.py",
        "/web/assets%00",
    ],
)
async def test_a_path_that_climbs_is_just_a_page(side: WebSide, path: str) -> None:
    answer = await side.browser().ask("GET", path)
    assert b"<title>built</title>" in answer.body


@pytest.mark.parametrize("path", ["/web/assets/../../x.js", "/web/assets/gone.js", "/web/assets/%2e%2e/index.html"])
async def test_a_file_that_is_gone_is_no_page(side: WebSide, path: str) -> None:
    answer = await side.browser().ask("GET", path)
    assert answer.status == 404
    assert b"title" not in answer.body


async def test_files_named_by_their_content_are_kept(side: WebSide) -> None:
    answer = await side.browser().ask("GET", "/web/assets/index-abc.js")
    assert answer.header("cache-control") == "public, max-age=31536000, immutable"
    assert answer.header("content-type").startswith("application/javascript")
    assert answer.cookies == [], "what may be kept by anybody carries no cookie"


@pytest.mark.parametrize(("accepts", "packed"), [("gzip, br", True), ("", False), ("gzip;q=0", False), ("br", False)])
async def test_files_are_compressed_for_who_accepts_it(side: WebSide, accepts: str, packed: bool) -> None:
    answer = await side.browser().ask("GET", "/web/assets/index-abc.js", headers=[("accept-encoding", accepts)])
    assert answer.header("content-encoding") == ("gzip" if packed else "")
    assert answer.header("vary") == "accept-encoding"
    content = gzip.decompress(answer.body) if packed else answer.body
    assert content == b"export {};\n" * 200


async def test_secrets_are_never_compressed(side: WebSide) -> None:
    browser = await side.entered("alice")
    for path in ("/v1/whoami", "/webapi/ping"):
        answer = await browser.ask("GET", path, headers=[("accept-encoding", "gzip")])
        assert answer.header("content-encoding") == ""


@pytest.mark.parametrize("path", ["/web/login", "/web/assets/index-abc.js", "/webapi/ping"])
async def test_the_head_of_an_answer(side: WebSide, path: str) -> None:
    browser = side.browser()
    whole, head = await browser.ask("GET", path), await browser.ask("HEAD", path)
    assert head.status == whole.status
    assert head.header("content-length") == whole.header("content-length")


async def test_an_installation_without_the_application_says_how_to_get_it(side: WebSide, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    web = await web_app(side.cluster, side.wire, pages=Pages(tmp_path / "empty"))
    answer = await Browser(web.app).ask("GET", "/web")
    assert answer.status == 503
    assert b"make web" in answer.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 302),
        ("GET", "/web", 200),
        ("GET", "/web/assets/index-abc.js", 200),
        ("GET", "/web/assets/gone.js", 404),
        ("POST", "/web", 405),
        ("GET", "/webapi/ping", 200),
        ("GET", "/webapi/nothing", 404),
        ("GET", "/v1/whoami", 401),
        ("POST", "/webapi/sessions/web", 403),
        ("GET", "/elsewhere", 404),
        ("OPTIONS", "/v1/whoami", 405),
    ],
)
async def test_every_answer_is_safe(side: WebSide, method: str, path: str, status: int) -> None:
    answer = await side.browser().ask(method, path)
    assert answer.status == status
    for name, value in HEADERS.items():
        assert answer.header(name.decode()) == value.decode()


async def test_our_own_defects_are_safe_and_tell_nothing(side: WebSide) -> None:
    web = await web_app(side.cluster, side.wire, transport=CrashingTransport())
    answer = await Browser(web.app).ask("GET", "/webapi/motd")
    assert answer.status == 500
    assert b"internal detail" not in answer.body
    assert answer.header("content-security-policy") == HEADERS[b"content-security-policy"].decode()


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS[b"content-security-policy"].decode().split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not any("unsafe" in value or "*" in value or "http" in value for value in policy.values())
