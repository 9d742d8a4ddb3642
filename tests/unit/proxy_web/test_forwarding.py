"""What passes from a browser to auth and back, and what does not."""

from __future__ import annotations

import base64
import json

import pytest
from auth_cluster import PASSWORD, AsgiTransport
from browser_side import Browser, Headers, WebSide, web_app

from teleport.api.route import MAX_BODY
from teleport.credentials import x509


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def failed_login(browser: Browser, headers: Headers = ()) -> int:
    await browser.open()
    wanted = {"user": "nobody", "pass": "wrong password", "second_factor_token": "000000"}
    return (await browser.ask("POST", "/webapi/sessions/web", wanted, headers)).status


async def address_of_last_failure(side: WebSide) -> str:
    events = await side.cluster.events("user.login")
    return str(events[-1]["addr.remote"])


async def test_a_public_call_needs_no_session_and_tells_where_the_proxy_is(side: WebSide) -> None:
    answer = await side.browser().ask("GET", "/webapi/ping")
    assert answer.status == 200
    assert answer.json["proxy"]["ssh"]["public_addr"] == "proxy.example.com:3080"
    assert answer.json["cluster_name"] == "example"
    assert (await side.browser().ask("GET", "/webapi/find")).json["proxy"]["ssh"]["public_addr"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webapi/nothing"),
        ("GET", "/webapi/"),
        ("POST", "/webapi/ping"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/whoami"),
        ("GET", "/v1/resources"),
        ("GET", "/v1/"),
        ("POST", "/v1/websessions/get"),
        ("POST", "/v1/websessions/delete"),
        ("PUT", "/v1/websessions/signup"),
        ("POST", "/webapi/x/../../v1/websessions/get"),
        ("POST", "/webapi/%2e%2e/v1/websessions/get"),
        ("GET", "/webapi/users/password/token/..%2f..%2fx"),
        ("HEAD", "/v1/whoami"),
    ],
)
async def test_a_call_that_is_not_there_does_not_reach_auth(side: WebSide, method: str, path: str) -> None:
    browser = await side.entered("alice")
    side.wire.passed.clear()
    answer = await browser.ask(method, path, {"session_id": "0" * 64} if method in ("POST", "PUT") else None)
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert side.wire.passed == []


async def test_a_path_passes_as_it_came(side: WebSide) -> None:
    browser = await side.entered("alice")
    side.wire.passed.clear()
    await browser.ask("GET", "/v1/resources/node/a%20b%3Fc?with_secrets=false&x=%2B")
    assert side.wire.passed[-1][1] == "/v1/resources/node/a%20b%3Fc?with_secrets=false&x=%2B"


async def test_auth_refuses_as_it_would_anybody(side: WebSide) -> None:
    browser = await side.entered("alice", "access")
    answer = await browser.ask("POST", "/v1/users", {"name": "eve", "roles": ["editor"]})
    assert (answer.status, answer.json["error"]["code"]) == (403, "access_denied")
    assert answer.json["error"]["event_id"]
    assert "www-authenticate" not in dict(answer.headers)


async def test_a_browser_has_no_more_than_its_persons_roles(side: WebSide) -> None:
    editor, reader = await side.entered("ed", "editor"), await side.entered("al", "access")
    assert (await editor.ask("GET", "/v1/resources/role?limit=1")).status == 200
    assert (await reader.ask("GET", "/v1/resources/role?limit=1")).status == 403


async def test_only_what_says_how_to_read_a_request_passes(side: WebSide) -> None:
    browser = await side.entered("alice")
    side.wire.passed.clear()
    sent = [
        ("content-type", "application/json"),
        ("user-agent", "Browser/1"),
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=203.0.113.1"),
        ("teleport-client-addr", "203.0.113.1"),
        ("teleport-web-session", "somebody else's"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("x-anything", "1"),
    ]
    await browser.ask("POST", "/v1/mfa/challenge", {"scope": "login"}, sent)
    passed = side.wire.passed[-1][2]
    assert passed == {
        "content-type": "application/json",
        "user-agent": "Browser/1",
        "teleport-client-addr": "198.51.100.7",
        "teleport-web-session": browser.cookies["__Host-session"],
    }


async def test_events_tell_where_the_browser_is(side: WebSide) -> None:
    browser = await side.entered("ed", "editor", address="203.0.113.9")
    await browser.ask("POST", "/v1/users", {"name": "eve", "roles": ["access"]})
    event = (await side.cluster.events("user.create"))[-1]
    assert (event["user"], event["addr.remote"]) == ("ed", "203.0.113.9")


async def test_a_pinned_session_works_from_its_address_alone(side: WebSide) -> None:
    role = await side.cluster.role("pinned")
    role.spec.options.pin_source_ip = True
    await side.cluster.store.upsert(role)
    browser = await side.entered("alice", "pinned", address="203.0.113.9")
    assert (await browser.ask("GET", "/v1/resources/node")).status == 200
    browser.address = "203.0.113.10"
    refused = await browser.ask("GET", "/v1/resources/node")
    assert refused.status == 403
    assert "pinned" in refused.json["error"]["message"]


async def test_nobody_but_a_proxy_calls_for_a_session(side: WebSide) -> None:
    browser = await side.entered("ed", "editor")
    header = {"teleport-web-session": browser.cookies["__Host-session"]}
    app = side.cluster.service.app
    stranger = AsgiTransport(app, b"", "192.0.2.9")
    assert (await stranger.request("GET", "/v1/whoami", header, b"", timeout=10)).status == 401
    person = await side.cluster.sign_up("alice", "access")
    certificate = x509.to_der((await side.cluster.log_in_for(person)).tls_cert)
    own = AsgiTransport(app, certificate, "192.0.2.9")
    answer = await own.request("GET", "/v1/whoami", header, b"", timeout=10)
    assert json.loads(answer.body)["username"] == "alice"


async def test_a_new_password_ends_the_other_sessions(side: WebSide) -> None:
    cluster = side.cluster
    person = await cluster.sign_up("alice", "access")
    browser, other = side.browser(), side.browser()
    assert (await browser.log_in(person)).status == 200
    assert (await other.log_in(person)).status == 200
    change = {
        "old_password": encoded(PASSWORD),
        "new_password": encoded("another long password"),
        "second_factor_token": person.next_code(),
    }
    assert (await browser.ask("PUT", "/v1/users/password", change)).status == 200
    assert (await browser.ask("GET", "/v1/whoami")).status == 200
    assert (await other.ask("GET", "/v1/whoami")).status == 401


async def test_answers_are_not_kept_by_anybody(side: WebSide) -> None:
    browser = await side.entered("alice")
    for path in ("/v1/whoami", "/webapi/ping", "/webapi/motd", "/v1/nothing"):
        assert (await browser.ask("GET", path)).header("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/webapi/sessions/web", "/webapi/mfa/login/begin", "/v1/mfa/challenge"])
async def test_a_body_too_large_is_refused(side: WebSide, path: str) -> None:
    browser = await side.entered("alice")
    side.wire.passed.clear()
    answer = await browser.ask("POST", path, b'"' + b"x" * MAX_BODY + b'"')
    assert answer.status == 413
    assert "larger than" in answer.json["error"]["message"]
    assert side.wire.passed == []


async def test_a_body_without_a_length_is_not_read_for_ever(side: WebSide) -> None:
    browser = await side.entered("alice")
    endless = [b"x" * 65536] * 1000
    answer = await browser.ask("POST", "/webapi/mfa/login/begin", chunks=endless)
    assert answer.status == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"user": 1}', b'{"unknown": ""}', b"\xff\xfe"])
async def test_a_malformed_login_is_told_so(side: WebSide, body: bytes) -> None:
    browser = await side.browser().open()
    answer = await browser.ask("POST", "/webapi/sessions/web", body)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_parameter")


async def test_auth_learns_the_clients_address(side: WebSide) -> None:
    assert await failed_login(side.browser("198.51.100.20")) == 401
    assert await address_of_last_failure(side) == "198.51.100.20"


async def test_strangers_are_limited_by_their_own_address(side: WebSide) -> None:
    noisy, calm = side.browser("198.51.100.20"), side.browser("198.51.100.21")
    for _ in range(200):  # the allowance grows while a slow machine knocks
        if await failed_login(noisy) == 429:
            break
    else:
        pytest.fail("an address may knock for ever")
    assert await failed_login(calm) == 401


async def test_forwarded_for_is_not_believed_unless_configured(side: WebSide) -> None:
    await failed_login(side.browser("198.51.100.20"), [("x-forwarded-for", "203.0.113.1")])
    assert await address_of_last_failure(side) == "198.51.100.20"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "203.0.113.1")], "203.0.113.1"),
        ([("x-forwarded-for", " 2001:db8::1 ")], "2001:db8::1"),
        ([], "198.51.100.20"),
    ],
)
async def test_a_trusted_load_balancer_tells_the_address(side: WebSide, headers: Headers, expected: str) -> None:
    web = await web_app(side.cluster, side.wire, trust_forwarded_for=True)
    await failed_login(Browser(web.app, "198.51.100.20"), headers)
    assert await address_of_last_failure(side) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [("x-forwarded-for", "203.0.113.1, 203.0.113.2")],
        [("x-forwarded-for", "203.0.113.1"), ("x-forwarded-for", "203.0.113.2")],
        [("x-forwarded-for", "somewhere")],
        [("x-forwarded-for", "")],
        [("x-forwarded-for", "203.0.113.1:80")],
    ],
)
async def test_a_forwarded_for_of_more_or_less_than_one_address(side: WebSide, headers: Headers) -> None:
    web = await web_app(side.cluster, side.wire, trust_forwarded_for=True)
    browser = await Browser(web.app).open()
    answer = await browser.ask("GET", "/webapi/motd", headers=headers)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_parameter")
    assert await failed_login(browser, headers) == 400


async def test_auth_away_is_told_so(side: WebSide) -> None:
    browser = await side.entered("alice")
    side.wire.is_cut = True
    for path in ("/webapi/ping", "/webapi/motd", "/v1/whoami"):
        assert (await browser.ask("GET", path)).status == 503
    assert (await browser.ask("GET", "/web/servers")).status == 200, "pages need no auth"
