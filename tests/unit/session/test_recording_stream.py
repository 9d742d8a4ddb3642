"""A recording that is streamed: with the cluster at once, on disk while it is away, and nothing lost between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import AccessDenied, TeleportError, Unavailable
from teleport.session import recording_stream
from teleport.session.recorder import Recorder, RecorderFactory
from teleport.session.recording_spool import RecordingSpool
from teleport.session.uploader import Uploader
from teleport.storage.recording_files import FileRecordings
from teleport.wire.recording import Ended, Frame, Printed, RecordingEnd, RecordingInfo, RecordingReader

SID = "0b7b4d9c-0000-4000-8000-000000000001"
HOST = "host"
INFO = RecordingInfo(sid=SID, user="alice", login="root", started=datetime(2026, 1, 1, tzinfo=UTC))
END = RecordingEnd(ended=datetime(2026, 1, 1, tzinfo=UTC), exit_status=0)


class Auth:
    """The store of a cluster, which may be away: `trouble` comes before a call is served, `cut` after it was."""

    def __init__(self, folder: Path) -> None:
        self.store = FileRecordings(folder, SystemClock())
        self.folder = folder
        self.trouble: TeleportError | None = None
        self.cut: TeleportError | None = None
        self.calls = 0

    async def append(self, sid: str, offset: int, content: bytes) -> None:
        self.calls += 1
        if self.trouble is not None:
            raise self.trouble
        if offset == 0:
            await self.store.begin(sid, HOST, is_stream=True)
        await self.store.append(sid, offset, content, HOST)
        if self.cut is not None:
            raise self.cut

    async def finish(self, sid: str, size: int) -> None:
        if self.trouble is not None:
            raise self.trouble
        assert (await self.store.upload(sid)).size == size
        await self.store.complete(sid, owner=HOST)

    async def upload(self, sid: str, part_number: int, content: bytes) -> None:
        raise AssertionError("a streamed recording is not uploaded in parts")

    async def complete(self, sid: str, parts: int, info: RecordingInfo) -> None:
        raise AssertionError("a streamed recording is not uploaded in parts")

    def arrived(self) -> list[Frame]:
        path = self.folder / "uploading" / SID / "00001.part"
        return RecordingReader().feed(path.read_bytes()) if path.exists() else []

    async def kept(self) -> list[Frame]:
        return RecordingReader().feed(b"".join([piece async for piece in self.store.open(SID)]))


@pytest.fixture
def auth(tmp_path: Path) -> Auth:
    return Auth(tmp_path / "auth")


@pytest.fixture
def spool(tmp_path: Path) -> RecordingSpool:
    spool = RecordingSpool(tmp_path / "node")
    spool.recover(datetime(2026, 1, 1, tzinfo=UTC))
    return spool


@pytest.fixture
async def factory(spool: RecordingSpool, auth: Auth) -> AsyncIterator[RecorderFactory]:
    factory = RecorderFactory(spool, SystemClock(), sink=auth)
    yield factory
    factory.close()


async def opened(factory: RecorderFactory, *, may_detour: bool = True) -> Recorder:
    return await factory.open(INFO, is_streamed=True, may_detour=may_detour)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


def text(frames: list[Frame]) -> bytes:
    return b"".join(frame.data for frame in frames if isinstance(frame, Printed))


def on_disk(spool: RecordingSpool) -> int:
    return sum(path.stat().st_size for path in spool.directory.glob("*/recording"))


async def test_it_is_with_the_cluster_while_it_runs_and_never_on_disk(
    factory: RecorderFactory, auth: Auth, spool: RecordingSpool
) -> None:
    recorder = await opened(factory)
    for line in (b"line 0;", b"line 1;", b"line 2;"):
        recorder.print(line)
        await until(partial(lambda line: line in text(auth.arrived()), line))
        assert on_disk(spool) == 0
    await recorder.finish(END)
    frames = await auth.kept()
    assert text(frames) == b"line 0;line 1;line 2;"
    assert isinstance(frames[-1], Ended)
    assert list(spool.directory.iterdir()) == []


async def test_an_answer_that_was_lost_doubles_nothing(factory: RecorderFactory, auth: Auth) -> None:
    recorder = await opened(factory)
    auth.cut = Unavailable("the line was cut")
    calls = auth.calls
    recorder.print(b"once")
    await until(lambda: auth.calls >= calls + 2)
    auth.cut = None
    await recorder.finish(END)
    assert text(await auth.kept()) == b"once"


async def test_while_the_cluster_is_away_the_disk_keeps_it_and_says_so(
    factory: RecorderFactory, auth: Auth, spool: RecordingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_stream, "PATIENCE", 3.0)
    recorder = await opened(factory)
    told: list[str] = []
    recorder.on_detour = told.append
    auth.trouble = Unavailable("away")
    recorder.print(b"one ")
    await until(lambda: bool(told))
    assert "away" in told[0]
    recorder.print(b"two ")
    size = on_disk(spool)
    await until(lambda: on_disk(spool) > size > 0)
    auth.trouble = None
    await until(lambda: text(auth.arrived()) == b"one two ")
    await until(lambda: on_disk(spool) == 0)
    recorder.print(b"three")
    await until(lambda: text(auth.arrived()) == b"one two three")
    assert on_disk(spool) == 0
    await recorder.finish(END)
    assert text(await auth.kept()) == b"one two three"
    assert recorder.failure is None
    assert len(told) == 1


async def test_what_waits_at_the_end_follows_when_the_cluster_is_back(
    factory: RecorderFactory, auth: Auth, spool: RecordingSpool
) -> None:
    recorder = await opened(factory)
    recorder.print(b"before ")
    await until(lambda: text(auth.arrived()) == b"before ")
    auth.trouble = Unavailable("away")
    recorder.print(b"after")
    await recorder.finish(END)
    uploader = Uploader(spool, auth)
    assert not await uploader.upload_all()
    auth.trouble = None
    assert await uploader.upload_all()
    frames = await auth.kept()
    assert text(frames) == b"before after"
    assert frames[-1] == Ended(frames[-1].offset, END)
    assert list(spool.directory.iterdir()) == []


async def test_a_host_that_died_while_the_cluster_was_away_brings_the_rest_later(
    factory: RecorderFactory, auth: Auth, spool: RecordingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_stream, "PATIENCE", 3.0)
    recorder = await opened(factory)
    recorder.print(b"before ")
    await until(lambda: text(auth.arrived()) == b"before ")
    told: list[str] = []
    recorder.on_detour = told.append
    auth.trouble = Unavailable("away")
    recorder.print(b"last words")
    await until(lambda: bool(told))
    (folder,) = spool.directory.iterdir()
    later = RecordingSpool(spool.directory.parent / "later")
    (later.directory / SID).mkdir(parents=True)
    for file in folder.iterdir():  # as it stands: nobody tidies up behind a killed process
        (later.directory / SID / file.name).write_bytes(file.read_bytes())
    (session,) = later.recover(datetime(2026, 1, 2, tzinfo=UTC))
    assert (session.info, session.is_streamed) == (INFO, True)
    auth.trouble = None
    assert await Uploader(later, auth).upload_all()
    frames = await auth.kept()
    assert text(frames) == b"before last words"
    assert frames[-1] == Ended(frames[-1].offset, session.end)
    with contextlib.suppress(Unavailable):  # of the recorder that did not really die
        await recorder.finish(END)


async def test_one_that_must_not_detour_begins_with_the_cluster_or_not_at_all(
    factory: RecorderFactory, auth: Auth, spool: RecordingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_stream, "OPENING", 0.2)  # here alone: elsewhere a slow answer would be a detour
    auth.trouble = Unavailable("away")
    with pytest.raises(Unavailable, match=r"cannot be recorded.*away"):
        await opened(factory, may_detour=False)
    assert list(spool.directory.iterdir()) == []
    recorder = await opened(factory)
    assert recorder.is_detoured
    auth.trouble = None
    recorder.print(b"kept")
    await recorder.finish(END)
    async with asyncio.timeout(30):
        while not await Uploader(spool, auth).upload_all():  # what was on its way at the end may come in between
            await asyncio.sleep(0.05)
    assert text(await auth.kept()) == b"kept"


async def test_a_refusal_ends_the_recording_and_is_told(factory: RecorderFactory, auth: Auth) -> None:
    recorder = await opened(factory)
    failures: list[Unavailable] = []
    recorder.on_failure = failures.append
    auth.trouble = AccessDenied("not yours")
    recorder.print(b"unseen")
    await until(lambda: bool(failures))
    assert "not yours" in str(failures[0])
    with pytest.raises(Unavailable):
        await recorder.finish(END)


async def test_the_cluster_hears_that_a_silent_session_runs(
    factory: RecorderFactory, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_stream, "KEEP_ALIVE", 0.05)
    recorder = await opened(factory)
    calls = auth.calls
    await until(lambda: auth.calls > calls + 2)
    await recorder.finish(END)


async def test_without_a_disk_it_is_streamed_all_the_same(
    factory: RecorderFactory, auth: Auth, spool: RecordingSpool
) -> None:
    spool.directory.rmdir()
    spool.directory.write_bytes(b"")  # no folder can be made below
    recorder = await opened(factory)
    recorder.print(b"seen")
    await recorder.finish(END)
    assert text(await auth.kept()) == b"seen"
