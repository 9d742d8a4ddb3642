"""Rule 45: a page of another site, an application behind us included, calls no API with a person's cookies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from browser_side import WebSide, web_side

OTHER = ["https://evil.example", "https://app.proxy.example.com:3080", "https://proxy.example.com", "null",
         "http://proxy.example.com:3080", "https://proxy.example.com:3080.evil.example"]  # fmt: skip


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[WebSide]:
    async with auth_cluster(tmp_path) as cluster:
        yield await web_side(cluster)


@pytest.mark.parametrize("origin", OTHER)
async def test_another_origin_is_refused_even_with_everything_else_right(side: WebSide, origin: str) -> None:
    browser = await side.entered("alice")
    headers = [("origin", origin)]
    for method, path in [
        ("GET", "/v1/whoami"),
        ("POST", "/webapi/sessions/web/renew"),
        ("DELETE", "/webapi/sessions"),
    ]:
        answer = await browser.ask(method, path, headers=headers)
        assert (answer.status, answer.json["error"]["code"]) == (403, "access_denied")
    assert (await browser.ask("GET", "/v1/whoami")).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_the_browsers_word_on_the_site_is_heard(side: WebSide, site: str) -> None:
    browser = await side.entered("alice")
    assert (await browser.ask("GET", "/v1/whoami", headers=[("sec-fetch-site", site)])).status == 403
    assert (await browser.ask("GET", "/v1/whoami", headers=[("sec-fetch-site", "same-origin")])).status == 200


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_no_other_site_is_invited(side: WebSide, method: str) -> None:
    browser = await side.entered("alice")
    asked = [("origin", "https://evil.example"), ("access-control-request-method", "POST")]
    for path in ("/v1/whoami", "/webapi/ping", "/web/login"):
        answer = await browser.ask(method, path, headers=asked)
        assert not [name for name, _ in answer.headers if name.startswith("access-control-")]
        assert answer.header("cross-origin-resource-policy") == "same-origin"
