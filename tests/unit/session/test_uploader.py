"""The uploader: whole recordings, part by part, again until they are stored, then gone from here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teleport.foundation.errors import Unavailable
from teleport.foundation.service import TaskOwner
from teleport.session import uploader as module
from teleport.session.recording_spool import RecordingSpool
from teleport.session.uploader import Uploader
from teleport.wire.recording import Printed, RecordingInfo, encode_part

SIDS = [f"0b7b4d9c-0000-4000-8000-00000000000{number}" for number in range(3)]


class Sink:
    def __init__(self, failures: int = 0) -> None:
        self.parts: dict[tuple[str, int], bytes] = {}
        self.stored: dict[str, bytes] = {}
        self.failures = failures

    async def upload(self, sid: str, part_number: int, content: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("not now")
        self.parts[sid, part_number] = content

    async def complete(self, sid: str, parts: int, info: RecordingInfo) -> None:
        assert info.sid == sid
        self.stored[sid] = b"".join(self.parts[sid, number] for number in range(1, parts + 1))

    async def append(self, sid: str, offset: int, content: bytes) -> None:
        raise AssertionError("none of these was streamed")

    async def finish(self, sid: str, size: int) -> None:
        raise AssertionError("none of these was streamed")


@pytest.fixture
def spool(tmp_path: Path) -> RecordingSpool:
    spool = RecordingSpool(tmp_path)
    for sid in SIDS:
        info = RecordingInfo(sid=sid, user="a", login="b", started=datetime(2026, 1, 1, tzinfo=UTC))
        recording = spool.create(info)
        recording.append(encode_part(2, [Printed(1, sid.encode() * 20)]))
        if sid != SIDS[2]:
            recording.complete()
        else:
            recording.abandon()
    return spool


async def test_complete_recordings_are_stored_and_removed(
    spool: RecordingSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_SIZE", 100)
    content = {sid: (tmp_path / sid / "recording").read_bytes() for sid in SIDS}
    sink = Sink()
    assert await Uploader(spool, sink).upload_all()
    assert sink.stored == {sid: content[sid] for sid in SIDS[:2]}
    assert len(sink.parts) > 4
    assert [path.name for path in tmp_path.iterdir()] == [SIDS[2]]


async def test_what_failed_is_tried_again_from_the_start(spool: RecordingSpool) -> None:
    sink = Sink(failures=1)
    uploader = Uploader(spool, sink)
    assert not await uploader.upload_all()
    assert await uploader.upload_all()
    assert set(sink.stored) == set(SIDS[:2])


async def test_a_nudge_is_followed_at_once(spool: RecordingSpool, tmp_path: Path) -> None:
    sink = Sink()
    uploader = Uploader(spool, sink, interval=3600)
    tasks = TaskOwner("uploader")
    tasks.start(uploader.run(lambda: None))
    async with asyncio.timeout(20):
        while len(sink.stored) < 2:
            await asyncio.sleep(0.01)
        (tmp_path / SIDS[2] / "end.json").write_text("{}")
        uploader.nudge()
        while len(sink.stored) < 3:
            await asyncio.sleep(0.01)
    await tasks.close()


async def test_what_is_complete_when_it_stops_is_uploaded_still(spool: RecordingSpool, tmp_path: Path) -> None:
    sink = Sink()
    tasks = TaskOwner("uploader")
    tasks.start(Uploader(spool, sink, interval=3600).run(lambda: None))
    async with asyncio.timeout(20):
        while len(sink.stored) < 2:
            await asyncio.sleep(0.01)
    (tmp_path / SIDS[2] / "end.json").write_text("{}")
    await tasks.close()
    assert set(sink.stored) == set(SIDS)
