"""28. A proxy that says it records itself is believed where the cluster wants that, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pseudo_terminal import Terminal
from ssh_post import Site, site

MODE = """
kind: session_recording_config
version: v2
metadata: {{name: session-recording-config}}
spec: {{mode: {mode}}}
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        running.is_led = True
        yield running


async def run_session(here: Site) -> None:
    shown = await Terminal.start(here.person().ssh("-tt", "--", "echo", "seen"), columns=100, rows=30)
    try:
        await shown.until("seen")
    finally:
        await shown.close()


@pytest.mark.parametrize("mode", ["node", "node-sync"])
async def test_its_word_counts_for_nothing_where_servers_record(here: Site, mode: str) -> None:
    await here.apply(MODE.format(mode=mode))
    await run_session(here)
    (end,) = await here.log.wait_for("session.end")
    assert end.session_recording == mode
    async with asyncio.timeout(10):
        while not here.spool.complete():
            await asyncio.sleep(0.02)


async def test_where_proxies_record_nothing_is_done_twice(here: Site) -> None:
    await here.apply(MODE.format(mode="proxy"))
    await run_session(here)
    await here.apply(MODE.format(mode="node"))
    here.is_led = False
    await run_session(here)
    (end,) = await here.log.wait_for("session.end")  # of the second session, and nothing of the first
    assert end.session_recording == "node"
    assert len([event for event in here.log.events if event.type == "session.start"]) == 1
