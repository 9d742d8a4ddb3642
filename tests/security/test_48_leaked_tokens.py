"""Rule 48: what a page gets of its session holds neither the cookie's secret nor a key; no answer repeats them."""

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


async def test_a_page_gets_eight_things_of_its_session(side: WebSide) -> None:
    browser = side.browser()
    entered = await browser.log_in(await side.cluster.sign_up("alice", "access", "editor", "auditor"))
    renewed = await browser.renew()
    for answer in (entered, renewed):
        assert set(answer.json) == {
            "type", "token", "username", "expires_in", "sessionExpires", "sessionInactiveTimeout",
            "accessRequests", "accessEnds",
        }  # fmt: skip
        assert browser.cookies["__Host-session"] not in answer.body.decode()
        assert b"PRIVATE" not in answer.body
        assert b"CERTIFICATE" not in answer.body


async def test_no_answer_repeats_a_secret(side: WebSide) -> None:
    browser = await side.entered("alice", "access", "editor", "auditor")
    secret, token = browser.cookies["__Host-session"], browser.bearer
    paths = ["/v1/whoami", "/v1/mfa/devices", "/v1/cluster/status", "/v1/audit/events", "/v1/resources/user",
             "/v1/resources/web_session", "/v1/resources/node", "/v1/nothing"]  # fmt: skip
    for path in paths:
        body = (await browser.ask("GET", path)).body.decode()
        for hidden in (secret, token, "PRIVATE KEY"):
            assert hidden not in body, path


async def test_the_secret_of_a_session_travels_in_no_address(side: WebSide) -> None:
    browser = await side.entered("alice")
    await browser.renew()
    await browser.ask("GET", "/v1/whoami")
    await browser.ask("DELETE", "/webapi/sessions")
    targets = [target for _, target, _ in side.wire.passed]
    assert targets
    assert not [target for target in targets if len(target) > 60]


async def test_no_authorization_reaches_auth(side: WebSide) -> None:
    browser = await side.entered("alice")
    await browser.ask("GET", "/v1/whoami")
    assert not [head for _, _, head in side.wire.passed if {"cookie", "authorization", "x-csrf-token"} & set(head)]
