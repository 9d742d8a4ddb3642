"""Rule 42: the token of one person's page with another person's cookie opens nothing, whichever way round."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from browser_side import WebSide, web_side


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[WebSide]:
    async with auth_cluster(tmp_path) as cluster:
        yield await web_side(cluster)


async def test_a_token_belongs_to_its_own_session(side: WebSide) -> None:
    alice, mallory = await side.entered("alice", "editor"), await side.entered("mallory")
    alice.bearer, mallory.bearer = mallory.bearer, alice.bearer
    for browser in (alice, mallory):
        answer = await browser.ask("GET", "/v1/whoami")
        assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")


async def test_a_token_belongs_to_one_session_of_the_same_person(side: WebSide) -> None:
    person = await side.cluster.sign_up("alice", "access")
    first, second = side.browser(), side.browser()
    for browser in (first, second):
        await browser.log_in(person)
    second.bearer = first.bearer
    assert (await second.ask("GET", "/v1/whoami")).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/webapi/sessions/web"),
        ("POST", "/webapi/mfa/login/finishsession"),
        ("PUT", "/webapi/users/password/token"),
        ("POST", "/webapi/sessions/web/renew"),
        ("DELETE", "/webapi/sessions"),
    ],
)
@pytest.mark.parametrize("token", ["", "0" * 64, "not-a-token"])
async def test_what_a_cookie_alone_moves_must_come_from_our_page(
    side: WebSide, method: str, path: str, token: str
) -> None:
    browser = await side.entered("alice")
    answer = await browser.ask(method, path, {}, [("x-csrf-token", token)])
    assert (answer.status, answer.json["error"]["code"]) == (403, "access_denied")
    assert (await browser.ask("GET", "/v1/whoami")).status == 200, "and nothing happened"


async def test_an_empty_cookie_is_not_answered_by_an_empty_header(side: WebSide) -> None:
    browser = await side.entered("alice")
    browser.cookies["__Host-csrf"] = ""
    assert (await browser.ask("DELETE", "/webapi/sessions")).status == 403
