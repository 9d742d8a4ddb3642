"""Rule 46: no address a client sends makes the proxy send a browser elsewhere; `next` is judged in web/tests/next."""

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


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?next=https://evil.example",
        "//evil.example",
        "//evil.example/web/",
        "/web/?next=//evil.example",
        "/web//evil.example/..",
        "/web/login?next=https://evil.example",
        "/\\evil.example",
        "/%5cevil.example",
        "/%2f%2fevil.example",
        "/v1",
        "/webapi",
        "/webapi/ping/",
        "/web\t",
        "/%0d%0alocation:%20https://evil.example",
    ],
)
async def test_nobody_is_sent_elsewhere(side: WebSide, path: str) -> None:
    answer = await side.browser().ask("GET", path, headers=[("host", "evil.example")])
    assert answer.header("location") in ("", "/web")
    assert b"evil.example" not in answer.body.replace(path.encode(), b"")
