"""An auth service for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auth_cluster import TestCluster, auth_cluster


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[TestCluster]:
    async with auth_cluster(tmp_path) as running:
        yield running
