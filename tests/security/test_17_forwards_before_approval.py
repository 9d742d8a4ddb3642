"""Must-refuse 17: nothing is forwarded where somebody has to be present, who could not see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sharing import JOINER, guest, joined, on_terminal, watched
from ssh_post import Person, Site, run, site


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        await running.apply(JOINER)
        await running.apply(watched())
        yield running


@pytest.fixture
def alice(here: Site) -> Person:
    return here.person("alice", roles=("watched",))


def _shared(alice: Person) -> list[str]:
    return ["-o", f"ControlPath={alice.directory / 'shared'}"]


async def test_no_forward_not_even_beside_a_session_with_its_moderator(here: Site, alice: Person) -> None:
    reached = 0

    async def arrive(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached += 1
        writer.close()

    server = await asyncio.start_server(arrive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, on_terminal(alice.ssh("-tt", "-o", "ControlMaster=yes", *_shared(alice), "--")) as own:
        await own.until("requires that others are present")
        async with joined(here, guest(here), "moderator"):
            await own.until("the session begins")
            done = await run(alice.ssh("-W", f"127.0.0.1:{port}", *_shared(alice), "--"))
            assert done.status != 0
            done = await run(alice.ssh(*_shared(alice), "--", "true"))
            assert done.status != 0
    assert reached == 0
    (event,) = await here.log.wait_for("port", "T3003E")
    assert "who could not see" in event.error


async def test_a_remote_forward_is_refused(here: Site, alice: Person) -> None:
    done = await run(alice.ssh("-N", "-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes", "--"))
    assert done.status != 0
