"""Recordings on disk: complete, torn by a crash and mended, removed when stored elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teleport.foundation.errors import BadParameter
from teleport.session.recording_spool import RecordingSpool
from teleport.wire.recording import (
    Ended,
    Frame,
    Printed,
    RecordingEnd,
    RecordingInfo,
    RecordingReader,
    encode_part,
)

WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SID = "0b7b4d9c-0000-4000-8000-000000000001"


def info(sid: str = SID) -> RecordingInfo:
    return RecordingInfo(sid=sid, user="alice", login="root", started=WHEN)


@pytest.fixture
def spool(tmp_path: Path) -> RecordingSpool:
    spool = RecordingSpool(tmp_path / "recordings")
    spool.recover(WHEN)
    return spool


def frames_of(path: Path) -> list[Frame]:
    reader = RecordingReader()
    frames = reader.feed(path.read_bytes())
    assert not reader.is_torn
    return frames


def test_a_finished_recording_waits_to_be_uploaded(spool: RecordingSpool) -> None:
    recording = spool.create(info())
    assert spool.complete() == []
    recording.append(encode_part(2, [Printed(10, b"hello")]))
    recording.complete()
    (found,) = spool.complete()
    assert found.info == info()
    assert Printed(10, b"hello") in frames_of(found.path)
    spool.remove(SID)
    assert spool.complete() == []


def test_a_session_whose_recorder_died_is_completed_at_the_next_start(spool: RecordingSpool) -> None:
    recording = spool.create(info())
    recording.append(encode_part(2, [Printed(2500, b"last words")]))
    part = encode_part(3, [Printed(2600, b"never finished")])
    folder = spool.directory / SID
    with (folder / "recording").open("ab") as file:
        file.write(part[: len(part) // 2])
    recording.abandon()

    (session,) = spool.recover(WHEN + timedelta(hours=1))

    assert session.info == info()
    assert session.end.recovered
    assert session.end.ended == WHEN + timedelta(milliseconds=2500)
    (found,) = spool.complete()
    frames = frames_of(found.path)
    assert frames[-2:] == [Printed(2500, b"last words"), Ended(2500, session.end)]


def test_an_end_that_was_written_is_not_written_again(spool: RecordingSpool) -> None:
    end = RecordingEnd(ended=WHEN, exit_status=0, participants=("alice", "bob"))
    recording = spool.create(info())
    recording.append(encode_part(2, [Ended(40, end)]))
    recording.abandon()
    (session,) = spool.recover(WHEN)
    assert session.end == end
    assert session.participants == ("alice", "bob")
    (found,) = spool.complete()
    assert frames_of(found.path)[-1] == Ended(40, end)


def test_a_recording_without_a_first_part_leaves_nothing(spool: RecordingSpool) -> None:
    (spool.directory / SID).mkdir()
    (spool.directory / SID / "info.json").write_bytes(b"{}")
    assert spool.recover(WHEN) == []
    assert list(spool.directory.iterdir()) == []


@pytest.mark.parametrize("sid", ["../../etc", "a/b", "", "x" * 80, "..", "0b7b4d9c/.."])
def test_a_session_id_is_never_a_path(spool: RecordingSpool, sid: str) -> None:
    with pytest.raises(BadParameter):
        spool.create(info(sid))


def test_a_session_that_runs_in_another_process_is_left_alone(spool: RecordingSpool) -> None:
    recording = spool.create(info())
    another = RecordingSpool(spool.directory)
    assert another.recover(WHEN) == []
    recording.append(encode_part(2, [Printed(10, b"still here")]))
    recording.complete()
    (found,) = spool.complete()
    assert frames_of(found.path)[-1] == Printed(10, b"still here")


def test_one_process_uploads_a_recording(spool: RecordingSpool) -> None:
    spool.create(info()).complete()
    with spool.claimed(SID) as first, spool.claimed(SID) as second:
        assert (first, second) == (True, False)
    spool.remove(SID)
    with spool.claimed(SID) as gone:
        assert not gone
