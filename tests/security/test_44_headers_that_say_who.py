"""Rule 44: headers with which a client says who or where it is reach nobody who would believe them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from browser_side import WebSide, web_side

FORGED = "203.0.113.99"


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[WebSide]:
    async with auth_cluster(tmp_path) as cluster:
        yield await web_side(cluster)


@pytest.mark.parametrize("name", ["teleport-client-addr", "Teleport-Client-Addr", "TELEPORT-CLIENT-ADDR"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/webapi/mfa/login/begin", {"user": "nobody", "pass": "wrong password"}),
        ("POST", "/webapi/mfa/login/finish", {"user": "nobody", "password": "wrong password"}),
        ("POST", "/webapi/sessions/web", {"user": "nobody", "pass": "wrong password"}),
        ("GET", "/webapi/motd", None),
    ],
)
async def test_a_client_does_not_choose_its_address(
    side: WebSide, name: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    browser = await side.browser("198.51.100.30").open()
    await browser.ask(method, path, body, [(name, FORGED)])
    heads = [headers for _, _, headers in side.wire.passed]
    assert heads
    assert all(head["teleport-client-addr"] == "198.51.100.30" for head in heads)
    assert FORGED not in str(heads)
    assert FORGED not in str(await side.cluster.events())


async def test_a_session_does_not_choose_it_either(side: WebSide) -> None:
    browser = await side.entered("alice")
    headers = [("teleport-client-addr", FORGED), ("x-forwarded-for", FORGED), ("x-teleport-username", "admin")]
    answer = await browser.ask("POST", "/v1/users", {"name": "eve", "roles": ["editor"]}, headers)
    assert answer.status == 403
    assert FORGED not in str(side.wire.passed)
    assert FORGED not in str(await side.cluster.events())


async def test_a_certificate_in_a_header_is_none(side: WebSide) -> None:
    browser = side.browser()
    headers = [("x-client-certificate", "MII"), ("x-forwarded-client-cert", "Subject=CN=admin"), ("ssl-client-verify", "SUCCESS")]  # fmt: skip # noqa: E501
    assert (await browser.ask("GET", "/v1/whoami", headers=headers)).status == 401
