"""The recorder: what was shown is on disk within a second, the loop is never held, a full disk is told."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import Unavailable
from teleport.session import recorder as module
from teleport.session.player import read_frames
from teleport.session.recorder import Recorder, RecorderFactory
from teleport.session.recording_spool import OpenRecording, RecordingSpool
from teleport.wire.recording import Ended, Frame, Printed, RecordingEnd, RecordingInfo, Resized, Started
from teleport.wire.terminal import TerminalSize

SID = "0b7b4d9c-0000-4000-8000-000000000001"
END = RecordingEnd(ended=datetime(2026, 1, 1, tzinfo=UTC), exit_status=0)


@pytest.fixture
def spool(tmp_path: Path) -> RecordingSpool:
    return RecordingSpool(tmp_path)


@pytest.fixture
def factory(spool: RecordingSpool) -> Iterator[RecorderFactory]:
    factory = RecorderFactory(spool, SystemClock())
    yield factory
    factory.close()


async def opened(factory: RecorderFactory, sid: str = SID) -> Recorder:
    info = RecordingInfo(sid=sid, user="alice", login="root", started=datetime(2026, 1, 1, tzinfo=UTC))
    return await factory.open(info)


async def on_disk(spool: RecordingSpool, sid: str = SID) -> list[Frame]:
    async def content() -> AsyncIterator[bytes]:
        yield (spool.directory / sid / "recording").read_bytes()

    return [frame async for frame in read_frames(content())]


async def test_what_is_shown_is_soon_on_disk(factory: RecorderFactory, spool: RecordingSpool) -> None:
    recorder = await opened(factory)
    recorder.print(b"typed a letter")
    async with asyncio.timeout(10):
        while not any(isinstance(frame, Printed) for frame in await on_disk(spool)):
            await asyncio.sleep(0.01)
    await recorder.finish(END)


async def test_all_frames_in_order_whatever_the_amount(factory: RecorderFactory, spool: RecordingSpool) -> None:
    recorder = await opened(factory)
    pieces = [bytes((number % 256,)) * 40_000 for number in range(200)]
    for number, piece in enumerate(pieces):
        recorder.print(piece)
        if number == 100:
            recorder.resize(TerminalSize(99, 9))
        if number % 10 == 0:
            await asyncio.sleep(0)
    await recorder.finish(END)
    frames = await on_disk(spool)
    assert b"".join(frame.data for frame in frames if isinstance(frame, Printed)) == b"".join(pieces)
    assert isinstance(frames[0], Started)
    assert isinstance(frames[-1], Ended)
    assert [frame.columns for frame in frames if isinstance(frame, Resized)] == [80, 99]
    offsets = [frame.offset for frame in frames]
    assert offsets == sorted(offsets)


async def test_who_feeds_too_fast_is_asked_to_wait_and_told_when_to_go_on(
    factory: RecorderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEHIND", 2 << 20)
    monkeypatch.setattr(module, "CAUGHT_UP", 1 << 20)
    recorder = await opened(factory)
    caught_up = asyncio.Event()
    recorder.on_caught_up = caught_up.set
    for _ in range(20):
        recorder.print(os.urandom(1 << 18))
    was_behind = recorder.is_behind
    await asyncio.wait_for(caught_up.wait(), 10)
    assert (was_behind, recorder.is_behind) == (True, False)
    await recorder.finish(END)


async def test_what_many_recorders_gathered_goes_to_few_threads(
    factory: RecorderFactory, spool: RecordingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sids = [str(uuid.uuid4()) for _ in range(40)]
    recorders = [await opened(factory, sid) for sid in sids]
    jobs: list[int] = []
    write = module._write_parts

    def counted(loop: asyncio.AbstractEventLoop, parts: Any) -> None:
        jobs.append(len(parts))
        write(loop, parts)

    monkeypatch.setattr(module, "_write_parts", counted)
    for recorder in recorders:
        recorder.print(b"typed a letter")
    async with asyncio.timeout(20):
        while sum(jobs) < len(sids):
            await asyncio.sleep(0.01)
    assert len(jobs) <= 8, "a moment at which all hand over may fall between them"
    await asyncio.gather(*(recorder.finish(END) for recorder in recorders))
    for sid in sids:
        printed = [frame.data for frame in await on_disk(spool, sid) if isinstance(frame, Printed)]
        assert printed == [b"typed a letter"]


async def test_one_recording_that_fails_takes_no_other_with_it(
    factory: RecorderFactory, spool: RecordingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = str(uuid.uuid4())
    failing, sound = await opened(factory), await opened(factory, other)
    append = OpenRecording.append

    def choosy(self: OpenRecording, part: bytes) -> None:
        if self.sid == SID:
            raise OSError(5, "Input/output error")
        append(self, part)

    monkeypatch.setattr(OpenRecording, "append", choosy)
    failing.print(b"lost")
    sound.print(b"kept")
    with pytest.raises(Unavailable, match="Input/output error"):
        await failing.finish(END)
    await sound.finish(END)
    assert [frame.data for frame in await on_disk(spool, other) if isinstance(frame, Printed)] == [b"kept"]


async def test_a_full_disk_fails_it_once_and_tells(
    factory: RecorderFactory, spool: RecordingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = await opened(factory)
    recorder.print(b"before")
    async with asyncio.timeout(30):
        while recorder._job is not None or not any(isinstance(frame, Printed) for frame in await on_disk(spool)):
            await asyncio.sleep(0.01)
    told: list[Unavailable] = []
    recorder.on_failure = told.append

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    recorder.print(b"lost")
    with pytest.raises(Unavailable, match=r"can no longer be recorded: .*No space"):
        await recorder.finish(END)
    assert len(told) == 1
    recorder.print(b"ignored")
    printed = [frame.data for frame in await on_disk(spool) if isinstance(frame, Printed)]
    assert printed == [b"before"]


async def test_a_disk_that_is_full_from_the_start_opens_nothing(
    factory: RecorderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(Unavailable, match="cannot be recorded"):
        await opened(factory)


async def test_one_that_ends_after_its_factory_hears_that_it_failed(factory: RecorderFactory) -> None:
    recorder = await opened(factory)
    recorder.print(b"late")
    factory.close()
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="no longer be recorded"):
            await recorder.finish(END)
