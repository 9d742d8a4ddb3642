"""The way in that a cluster prints when it starts: a link while there is nobody, where to log in afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from auth_cluster import TestCluster, auth_cluster

from teleport.foundation.service import TaskOwner
from teleport.process.first_user import FirstUser


async def printed(cluster: TestCluster, capsys: pytest.CaptureFixture[str]) -> str:
    started = asyncio.Event()
    owner = TaskOwner("first user")
    owner.start(FirstUser(cluster.service).run(started.set))
    await asyncio.wait_for(started.wait(), 10)
    await owner.close()
    return capsys.readouterr().err


async def test_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with auth_cluster(tmp_path) as cluster:
        assert "https://proxy.example.com:3080/web/invite/" in await printed(cluster, capsys)
        await cluster.user("alice", "access")
        said = await printed(cluster, capsys)
    assert "log in at https://proxy.example.com:3080\n" in said
    assert "invite" not in said
