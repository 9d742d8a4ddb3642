"""The stock OpenSSH client runs commands on our SSH service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ssh_post import Site, run, site


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def test_gives_output_errors_and_status_apart(here: Site) -> None:
    ran = await run(here.person().ssh("echo out; echo err >&2; exit 7"))
    assert (ran.status, ran.out, ran.err) == (7, b"out\n", b"err\n")
    (event,) = await here.log.wait_for("exec", "T3002E")
    assert event.command == "echo out; echo err >&2; exit 7"
    assert event.exit_code == "7"
    assert (event.user, event.server_id) == ("alice", here.post.host_id)
