"""Browsers' sessions: begun by a login, proved by cookie and token, ended here, elsewhere and by time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from browser_side import Answer, Browser, WebSide

from teleport.api.routes import users
from teleport.credentials import totp
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig
from teleport.model.resources.web_session import WebSession
from teleport.model.values import Duration
from teleport.proxy.web import sessions


async def whoami(browser: Browser) -> Answer:
    return await browser.ask("GET", "/v1/whoami")


def is_refused_session(answer: Answer) -> bool:
    return answer.status == 401 and answer.header("www-authenticate") == "Bearer"


async def test_a_login_gives_a_session(side: WebSide) -> None:
    browser = await side.entered("alice")
    answer = await whoami(browser)
    assert answer.status == 200
    assert answer.json["username"] == "alice"


async def test_a_sign_up_gives_a_session(side: WebSide) -> None:
    await side.cluster.user("bob", "access")
    granted = await (await side.cluster.admin()).call(users.RESET, users.ResetUser(name="bob"))
    browser = await side.browser().open()
    path = f"/webapi/mfa/token/{granted.token}/registerchallenge"
    begun = await browser.ask("POST", path, {"deviceType": "totp"})
    assert begun.json["totp"]["qrCode"].startswith("<svg")
    code = totp.code_at(begun.json["totp"]["secret"], side.cluster.clock.now())
    wanted = {"token": granted.token, "password": "correct horse battery", "second_factor_token": code}
    answer = await browser.ask("PUT", "/webapi/users/password/token", wanted)
    assert answer.status == 200, answer.body
    browser.bearer = answer.json["token"]
    assert (await whoami(browser)).json["username"] == "bob"


async def test_an_answer_for_a_passkey_is_read(side: WebSide) -> None:
    browser = await side.browser().open()
    answer = await browser.ask(
        "POST", "/webapi/mfa/login/finishsession", {"webauthnAssertionResponse": {"id": "AA", "type": "public-key"}}
    )
    assert (answer.status, answer.json["error"]["code"]) == (401, "not_authenticated")
    assert "www-authenticate" not in dict(answer.headers), "a failed login is no lost session"


async def test_a_page_learns_when_its_session_ends(side: WebSide) -> None:
    browser = side.browser()
    answer = await browser.log_in(await side.cluster.sign_up("alice", "access"))
    assert 590 <= answer.json["expires_in"] <= 600
    assert answer.json["sessionExpires"] > side.cluster.clock.now().isoformat()
    assert answer.json["sessionInactiveTimeout"] == 600_000


@pytest.mark.parametrize("cookie", ["", "short", "zz" * 32, "0" * 200, "0" * 64])
async def test_a_cookie_that_names_no_session(side: WebSide, cookie: str) -> None:
    browser = await side.entered("alice")
    browser.cookies["__Host-session"] = cookie
    assert is_refused_session(await whoami(browser))


async def test_a_malformed_cookie_is_not_looked_up(side: WebSide) -> None:
    browser = await side.entered("alice")
    browser.cookies["__Host-session"] = "../etc/passwd"
    side.wire.passed.clear()
    assert is_refused_session(await whoami(browser))
    assert side.wire.passed == []


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}"])
async def test_the_cookie_alone_is_not_enough(side: WebSide, authorization: str) -> None:
    browser = await side.entered("alice")
    headers = [("authorization", authorization.format(token=browser.bearer))]
    assert is_refused_session(await browser.ask("GET", "/v1/whoami", headers=headers))


async def test_the_token_alone_is_not_enough(side: WebSide) -> None:
    browser = await side.entered("alice")
    assert is_refused_session(await browser.ask("GET", "/v1/whoami", cookies=False))


async def test_a_token_ends_and_is_renewed(side: WebSide) -> None:
    browser = await side.entered("alice")
    old = browser.bearer
    for _ in range(2):
        assert (await whoami(browser)).status == 200
        side.cluster.clock.advance(timedelta(minutes=5))
    assert is_refused_session(await whoami(browser))
    assert (await browser.renew()).status == 200
    assert browser.bearer != old
    assert (await whoami(browser)).status == 200
    browser.bearer = old
    assert is_refused_session(await whoami(browser))


async def test_a_session_ends_with_its_certificate(side: WebSide) -> None:
    browser = await side.entered("alice")
    side.cluster.clock.advance(timedelta(hours=31))
    assert is_refused_session(await whoami(browser))
    assert is_refused_session(await browser.renew())


async def test_logging_out_ends_the_session_everywhere(side: WebSide) -> None:
    browser = await side.entered("alice")
    kept = dict(browser.cookies)
    answer = await browser.ask("DELETE", "/webapi/sessions")
    assert answer.status == 200
    assert "__Host-session" not in browser.cookies
    assert [one async for one in side.cluster.store.iterate(WebSession)] == []
    browser.cookies = kept
    assert is_refused_session(await whoami(browser))


async def test_a_session_that_ended_elsewhere_ends_here_soon(side: WebSide) -> None:
    browser = await side.entered("alice")
    async for session in side.cluster.store.iterate(WebSession):
        await side.cluster.store.delete(WebSession, session.name)
    side.cluster.clock.advance(timedelta(seconds=sessions.CHECK_EVERY))
    assert is_refused_session(await whoami(browser))


async def test_every_proxy_serves_every_browser(side: WebSide) -> None:
    browser = await side.entered("alice")
    elsewhere = Browser((await side.another_proxy()).app, cookies=browser.cookies, bearer=browser.bearer)
    assert (await whoami(elsewhere)).status == 200


async def test_a_token_that_another_proxy_renewed_is_believed(side: WebSide) -> None:
    browser = await side.entered("alice")
    assert (await whoami(browser)).status == 200
    elsewhere = Browser((await side.another_proxy()).app, cookies=browser.cookies)
    await elsewhere.renew()
    browser.bearer = elsewhere.bearer
    side.cluster.clock.advance(timedelta(seconds=sessions.REREAD_AFTER))
    assert (await whoami(browser)).status == 200


async def test_wrong_tokens_do_not_make_the_proxy_ask_auth_each_time(side: WebSide) -> None:
    browser = await side.entered("alice")
    browser.bearer = "wrong"
    side.wire.passed.clear()
    for _ in range(5):
        assert is_refused_session(await whoami(browser))
    assert side.wire.passed == []


async def test_a_session_outlives_an_absent_auth(side: WebSide) -> None:
    browser = await side.entered("alice")
    side.wire.is_cut = True
    side.cluster.clock.advance(timedelta(seconds=60))
    for answer in (await whoami(browser), await browser.renew()):
        assert (answer.status, answer.json["error"]["code"]) == (503, "unavailable")
    side.wire.is_cut = False
    assert (await whoami(browser)).status == 200


async def test_a_login_while_auth_is_away(side: WebSide) -> None:
    person = await side.cluster.sign_up("alice", "access")
    side.wire.is_cut = True
    browser = side.browser()
    assert (await browser.log_in(person)).status == 503
    assert "__Host-session" not in browser.cookies


async def test_logging_out_while_auth_is_away_takes_the_cookie(side: WebSide) -> None:
    browser = await side.entered("alice")
    side.wire.is_cut = True
    assert (await browser.ask("DELETE", "/webapi/sessions")).status == 503
    assert "__Host-session" not in browser.cookies


async def test_a_proxy_keeps_a_bounded_number(side: WebSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_KEPT", 2)
    browsers = [await side.entered(name) for name in ("alice", "bob", "carol")]
    assert len(side.web.sessions) == 2
    side.wire.passed.clear()
    assert (await whoami(browsers[0])).status == 200
    assert [target for _, target, _ in side.wire.passed] == ["/v1/websessions/get", "/v1/whoami"]


async def test_silence_ends_a_session(side: WebSide) -> None:
    config = ClusterNetworkingConfig()
    config.check()
    config = (await side.cluster.store.find(ClusterNetworkingConfig, config.name)) or config
    config.spec.web_idle_timeout = Duration(minutes=5)
    await side.cluster.store.upsert(config)
    browser = side.browser()
    answer = await browser.log_in(await side.cluster.sign_up("alice", "access"))
    assert answer.json["sessionInactiveTimeout"] == 300_000
    side.cluster.clock.advance(timedelta(minutes=4))
    assert (await whoami(browser)).status == 200
    side.cluster.clock.advance(timedelta(minutes=6))
    assert is_refused_session(await whoami(browser))
