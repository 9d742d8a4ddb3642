"""The stock OpenSSH client on a terminal of our SSH service: what is shown is recorded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from data_plane import eventually
from pseudo_terminal import Terminal
from ssh_post import ME, Site, site

from teleport.session.player import read_frames
from teleport.wire.recording import Ended, Frame, Noted, Printed, Resized, Started


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def terminal(here: Site, *words: str) -> AsyncIterator[Terminal]:
    shown = await Terminal.start(here.person().ssh("-tt", "--", *words), columns=100, rows=30)
    try:
        yield shown
    finally:
        await shown.close()


async def recorded(here: Site) -> list[Frame]:
    """The frames of the only recording, once it is complete."""
    async with asyncio.timeout(30):
        while not (waiting := here.spool.complete()):
            await asyncio.sleep(0.02)
    (recording,) = waiting

    async def content() -> AsyncIterator[bytes]:
        yield recording.path.read_bytes()

    return [frame async for frame in read_frames(content())]


async def test_a_shell_is_shown_and_recorded(here: Site) -> None:
    async with terminal(here) as shown:
        shown.type("stty size; tty; echo shell=$0 user=$SSH_TELEPORT_USER tty=$SSH_TTY:\n")
        seen = await shown.until("user=alice tty=/dev/pts/")
        assert b"30 100\r\n/dev/pts/" in seen
        assert b"shell=-" in seen
        shown.type("exit 3\n")
        assert await shown.end() == 3
    frames = await recorded(here)
    printed = b"".join(frame.data for frame in frames if isinstance(frame, Printed))
    assert b"30 100\r\n/dev/pts/" in printed
    (started,) = [frame for frame in frames if isinstance(frame, Started)]
    assert (started.info.user, started.info.login, started.info.columns) == ("alice", ME, 100)
    (ended,) = [frame for frame in frames if isinstance(frame, Ended)]
    assert ended.end.exit_status == 3
    (begun,) = await here.log.wait_for("session.start")
    (over,) = await here.log.wait_for("session.end")
    assert begun.sid == over.sid == started.info.sid
    assert over.participants == ["alice"]
    await eventually(lambda: here.log.trackers == {}, "no tracker")


async def test_the_window_follows_the_client(here: Site) -> None:
    async with terminal(here, "trap 'stty size' WINCH; echo ready; while read line; do :; done") as shown:
        await shown.until("ready\r\n")
        shown.resize(61, 17)
        (event,) = await here.log.wait_for("resize")
        assert event.size == "61:17"
        shown.type("\n")
        await shown.until("17 61\r\n")
        shown.type("\x04")
        assert await shown.end() == 0
    frames = await recorded(here)
    assert [(frame.columns, frame.rows) for frame in frames if isinstance(frame, Resized)] == [(100, 30), (61, 17)]
    assert any(isinstance(frame, Noted) and b'"resize"' in frame.event for frame in frames)


async def test_interrupt_reaches_the_program_in_front(here: Site) -> None:
    async with terminal(here, "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done") as shown:
        await shown.until("ready\r\n")
        shown.type("\x03")
        await shown.until("caught\r\n")
        assert await shown.end() == 9


async def test_a_lost_client_hangs_up_its_shell(here: Site) -> None:
    async with terminal(here, "echo pid=$$.; cat") as shown:
        await shown.until("pid=")
        pid = int((await shown.until("."))[:-1])
        shown.process.kill()
        (event,) = await here.log.wait_for("session.end")
        assert event.participants == ["alice"]
        async with asyncio.timeout(30):
            while Path(f"/proc/{pid}").exists():
                await asyncio.sleep(0.02)
    assert isinstance((await recorded(here))[-1], Ended)


async def test_output_that_nobody_reads_holds_the_program_back(here: Site) -> None:
    async with terminal(here, "yes | head -c 3000000; echo done") as shown:
        await shown.until("done\r\n", timeout=60)
        assert await shown.end() == 0
    printed = b"".join(frame.data for frame in await recorded(here) if isinstance(frame, Printed))
    assert printed.count(b"y\r\n") == 1_500_000
