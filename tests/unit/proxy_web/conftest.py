"""A cluster with a proxy's web application for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from browser_side import WebSide, built_pages, web_side


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[WebSide]:
    async with auth_cluster(tmp_path / "auth") as cluster:
        made = await web_side(cluster, pages=built_pages(tmp_path / "pages"))
        yield made
        made.web.close()
