"""Recordings in files."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import AccessDenied, AlreadyExists, BadParameter, LimitExceeded, NotFound
from teleport.storage.recording_files import FileRecordings
from teleport.storage.recordings import MAX_PART_BYTES, MAX_PARTS, PIECE_BYTES, RecordingStore
from teleport.wire.recording import Ended, Printed, RecordingInfo, RecordingReader, Started, encode_part

SID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
OTHER = "2c4e28ba-2fa1-41d2-883f-0016d3cca427"
HOST = "host-a"

# Uploads within a file size that the parts exceed.
_FILLER = """
import asyncio, resource, sys
from pathlib import Path
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import Unavailable
from teleport.storage.recording_files import FileRecordings

async def main():
    recordings = FileRecordings(Path(sys.argv[1]), SystemClock())
    sid = sys.argv[2]
    await recordings.begin(sid, "host")
    await recordings.put_part(sid, 1, b"1" * 60_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        await recordings.put_part(sid, 2, b"2" * 150_000)
        raise SystemExit("a part above the limit was acknowledged")
    except Unavailable:
        pass
    await recordings.put_part(sid, 2, b"2" * 60_000)
    try:
        await recordings.complete(sid)
        raise SystemExit("a recording above the limit was completed")
    except Unavailable:
        pass
    assert not await recordings.exists(sid)
    assert (await recordings.upload(sid)).parts == (1, 2)

asyncio.run(main())
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture
def recordings(directory: Path, clock: MovedClock) -> RecordingStore:
    return FileRecordings(directory, clock)


async def content(recordings: RecordingStore, session_id: str = SID, offset: int = 0) -> bytes:
    return b"".join([piece async for piece in recordings.open(session_id, offset)])


async def test_parts_are_joined_in_order_of_their_numbers(recordings: RecordingStore, clock: MovedClock) -> None:
    await recordings.begin(SID, HOST)
    for number in (3, 1, 2):
        await recordings.put_part(SID, number, f"part {number};".encode(), HOST)
    assert not await recordings.exists(SID)
    complete = await recordings.complete(SID, owner=HOST)
    assert (complete.session_id, complete.size) == (SID, 21)
    assert abs(complete.completed - clock.now()) < timedelta(minutes=1)
    assert await content(recordings) == b"part 1;part 2;part 3;"
    assert await content(recordings, offset=7) == b"part 2;part 3;"
    assert await recordings.get(SID) == complete
    assert await recordings.uploads() == ()
    assert await recordings.complete(SID, owner=HOST) == complete


async def test_a_part_sent_again_replaces_itself(recordings: RecordingStore) -> None:
    await recordings.begin(SID, HOST)
    await recordings.put_part(SID, 1, b"torn")
    await recordings.begin(SID, HOST)
    await recordings.put_part(SID, 1, b"whole")
    await recordings.complete(SID)
    assert await content(recordings) == b"whole"


async def test_a_complete_recording_is_never_written_again(recordings: RecordingStore) -> None:
    await recordings.begin(SID, HOST)
    await recordings.put_part(SID, 1, b"true")
    await recordings.complete(SID)
    with pytest.raises(AlreadyExists):
        await recordings.begin(SID, HOST)
    with pytest.raises(AlreadyExists):
        await recordings.put_part(SID, 2, b"forged", HOST)
    assert await content(recordings) == b"true"


async def test_only_who_began_an_upload_goes_on_with_it(recordings: RecordingStore) -> None:
    await recordings.begin(SID, HOST)
    await recordings.put_part(SID, 1, b"true", HOST)
    for attempt in (
        recordings.begin(SID, "host-b"),
        recordings.put_part(SID, 1, b"forged", "host-b"),
        recordings.complete(SID, owner="host-b"),
        recordings.abandon(SID, "host-b"),
    ):
        with pytest.raises(AccessDenied):
            await attempt
    assert (await recordings.upload(SID)).owner == HOST
    await recordings.complete(SID)
    assert await content(recordings) == b"true"


async def test_a_missing_part_is_named(recordings: RecordingStore) -> None:
    await recordings.begin(SID, HOST)
    with pytest.raises(BadParameter, match="part 1 is missing"):
        await recordings.complete(SID)
    for number in (1, 2, 4):
        await recordings.put_part(SID, number, b"%d" % number)
    with pytest.raises(BadParameter, match="part 3 is missing"):
        await recordings.complete(SID)
    await recordings.complete(SID, partial=True)
    assert await content(recordings) == b"124"


async def test_what_was_not_begun_is_not_found(recordings: RecordingStore) -> None:
    for attempt in (
        recordings.put_part(SID, 1, b""),
        recordings.complete(SID),
        recordings.abandon(SID),
        recordings.upload(SID),
        recordings.get(SID),
        recordings.delete(SID),
        content(recordings),
    ):
        with pytest.raises(NotFound, match=SID):
            await attempt
    assert await recordings.list() == ()
    assert await recordings.uploads() == ()


@pytest.mark.parametrize("session_id", ["", ".", "..", "../" + SID, SID + "/x", SID.upper(), SID + "\n", "x" * 36])
async def test_a_session_id_is_a_uuid_and_nothing_else(
    recordings: RecordingStore, directory: Path, session_id: str
) -> None:
    for attempt in (
        recordings.begin(session_id, HOST),
        recordings.put_part(session_id, 1, b""),
        recordings.complete(session_id),
        recordings.abandon(session_id),
        recordings.upload(session_id),
        recordings.get(session_id),
        recordings.exists(session_id),
        recordings.delete(session_id),
        content(recordings, session_id),
    ):
        with pytest.raises(BadParameter, match="session id"):
            await attempt
    assert not directory.exists()


async def test_parts_have_limits(recordings: RecordingStore) -> None:
    await recordings.begin(SID, HOST)
    for number in (0, -1, MAX_PARTS + 1):
        with pytest.raises(BadParameter, match="part"):
            await recordings.put_part(SID, number, b"")
    with pytest.raises(LimitExceeded):
        await recordings.put_part(SID, 1, bytes(MAX_PART_BYTES + 1))
    assert (await recordings.upload(SID)).parts == ()


async def test_what_is_incomplete_is_listed_for_the_completer(recordings: RecordingStore, clock: MovedClock) -> None:
    await recordings.begin(SID, HOST)
    await recordings.begin(OTHER, "host-b")
    clock.advance(timedelta(hours=1))
    await recordings.put_part(SID, 1, b"12345")
    first, second = await recordings.uploads()
    assert (first.session_id, first.owner, first.parts, first.size) == (OTHER, "host-b", (), 0)
    assert (second.session_id, second.owner, second.parts, second.size) == (SID, HOST, (1,), 5)
    assert timedelta(minutes=59) < second.changed - first.changed < timedelta(minutes=61)
    await recordings.abandon(OTHER)
    assert [upload.session_id for upload in await recordings.uploads()] == [SID]


async def test_the_newest_is_listed_first(recordings: RecordingStore, clock: MovedClock, directory: Path) -> None:
    for session_id in (SID, OTHER):
        await recordings.begin(session_id, HOST)
        await recordings.put_part(session_id, 1, b"x")
        await recordings.complete(session_id)
        clock.advance(timedelta(hours=1))
    (directory / "stranger.tar").write_bytes(b"")
    assert [each.session_id for each in await recordings.list()] == [OTHER, SID]
    await recordings.delete(OTHER)
    assert [each.session_id for each in await recordings.list()] == [SID]


async def test_it_is_read_in_pieces(recordings: RecordingStore) -> None:
    await recordings.begin(SID, HOST)
    for number in range(1, 4):
        await recordings.put_part(SID, number, bytes([number]) * PIECE_BYTES)
    await recordings.complete(SID)
    pieces = [piece async for piece in recordings.open(SID, 10)]
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert sum(map(len, pieces)) == 3 * PIECE_BYTES - 10


async def test_files_belong_to_their_owner_alone(recordings: RecordingStore, directory: Path) -> None:
    await recordings.begin(SID, HOST)
    for number in (1, 2):
        await recordings.put_part(SID, number, b"x")
    await recordings.begin(OTHER, HOST)
    await recordings.put_part(OTHER, 1, b"x")
    await recordings.complete(SID)
    modes: dict[bool, set[int]] = {True: {stat.S_IMODE(directory.stat().st_mode)}, False: set()}
    for path in directory.rglob("*"):
        modes[path.is_dir()].add(stat.S_IMODE(path.stat().st_mode))
    assert modes == {True: {0o700}, False: {0o600}}


async def test_another_start_goes_on_with_what_was_begun(
    recordings: RecordingStore, directory: Path, clock: MovedClock
) -> None:
    await recordings.begin(SID, HOST)
    await recordings.put_part(SID, 1, b"1")
    restarted = FileRecordings(directory, clock)
    (directory / "uploading" / SID / "joined").write_bytes(b"half of a cut-off join")
    await restarted.put_part(SID, 2, b"2", HOST)
    await restarted.complete(SID, owner=HOST)
    assert await content(restarted) == b"12"


async def test_a_full_disk_loses_no_part_that_was_kept(directory: Path, clock: MovedClock) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FILLER, str(directory), SID, stdout=subprocess.PIPE
    )
    await child.communicate()
    assert child.returncode == 0
    recordings = FileRecordings(directory, clock)
    assert (await recordings.complete(SID)).size == 120_000
    assert await content(recordings) == b"1" * 60_000 + b"2" * 60_000


def part(number: int, text: bytes) -> bytes:
    return encode_part(number, [Printed(number, text)])


class TestStreams:
    @pytest.fixture
    async def recordings(self, tmp_path: Path) -> FileRecordings:
        recordings = FileRecordings(tmp_path / "records", MovedClock(), max_stream=4096)
        await recordings.begin(SID, HOST, is_stream=True)
        return recordings

    async def test_it_grows_and_what_comes_twice_is_kept_once(self, recordings: FileRecordings) -> None:
        one, two = part(1, b"one"), part(2, b"two")
        assert await recordings.append(SID, 0, one, HOST) == len(one)
        assert await recordings.append(SID, 0, one, HOST) == len(one)
        assert await recordings.append(SID, len(one), two, HOST) == len(one + two)
        assert await recordings.append(SID, 0, one, HOST) == len(one + two)
        assert await recordings.append(SID, 0, one + two, HOST) == len(one + two)
        assert (await recordings.upload(SID)).is_stream
        await recordings.complete(SID, owner=HOST)
        assert await content(recordings) == one + two

    async def test_what_is_kept_never_changes(self, recordings: FileRecordings) -> None:
        one = part(1, b"one")
        await recordings.append(SID, 0, one + part(2, b"two"), HOST)
        for offset, other in ((0, part(1, b"eno")), (len(one), part(2, b"owt")), (len(one) + 1, b"x"), (3, one)):
            with pytest.raises(BadParameter, match="other bytes"):
                await recordings.append(SID, offset, other, HOST)
        with pytest.raises(BadParameter, match="as a stream"):
            await recordings.put_part(SID, 1, b"another", HOST)
        await recordings.complete(SID, owner=HOST)
        assert await content(recordings) == one + part(2, b"two")
        with pytest.raises(AlreadyExists):
            await recordings.append(SID, 0, one, HOST)

    async def test_what_a_crash_tore_off_comes_again(self, recordings: FileRecordings, tmp_path: Path) -> None:
        one, two = part(1, b"one"), part(2, b"two")
        await recordings.append(SID, 0, one, HOST)
        path = tmp_path / "records" / "uploading" / SID / "00001.part"
        for torn in (two[:20], bytes(len(two))):
            with path.open("ab") as file:
                file.write(torn)
            assert await recordings.append(SID, len(one), two, HOST) == len(one + two)
            assert path.read_bytes() == one + two
            path.write_bytes(one)

    async def test_neither_a_hole_nor_more_than_the_limit(self, recordings: FileRecordings) -> None:
        with pytest.raises(BadParameter, match="nothing follows"):
            await recordings.append(SID, 1, b"x", HOST)
        with pytest.raises(BadParameter, match="nothing follows"):
            await recordings.append(SID, -1, b"x", HOST)
        with pytest.raises(BadParameter, match="at most 4096"):
            await recordings.append(SID, 0, bytes(4097), HOST)
        assert await recordings.append(SID, 0, b"", HOST) == 0

    async def test_it_is_its_owner_s_and_begun_one_way(self, recordings: FileRecordings) -> None:
        with pytest.raises(AccessDenied):
            await recordings.append(SID, 0, part(1, b"forged"), "host-b")
        with pytest.raises(AccessDenied):
            await recordings.begin(SID, "host-b", is_stream=True)
        with pytest.raises(BadParameter):
            await recordings.begin(SID, HOST)
        await recordings.begin(OTHER, HOST)
        with pytest.raises(BadParameter, match="in parts"):
            await recordings.append(OTHER, 0, b"x", HOST)
        with pytest.raises(NotFound):
            await recordings.append("3c4e28ba-2fa1-41d2-883f-0016d3cca427", 0, b"x", HOST)

    async def test_an_end_is_given_to_what_has_none(self, recordings: FileRecordings) -> None:
        started = datetime(2026, 1, 1, tzinfo=UTC)
        info = RecordingInfo(sid=SID, user="alice", login="root", started=started)
        first = encode_part(1, [Started(0, info)])
        await recordings.append(SID, 0, first + encode_part(2, [Printed(2500, b"last words")]) + b"TPSRtorn", HOST)
        mended = await recordings.mend(SID, started + timedelta(hours=1), "it died")
        assert mended is not None
        assert (mended.info, mended.end.reason, mended.end.recovered) == (info, "it died", True)
        assert mended.end.ended == started + timedelta(seconds=2.5)
        assert await recordings.mend(SID, started + timedelta(hours=2), "again") == mended
        await recordings.complete(SID, owner=HOST)
        frames = RecordingReader().feed(await content(recordings))
        assert frames[1:] == [Printed(2500, b"last words"), Ended(2500, mended.end)]

    async def test_nothing_that_can_be_played_is_nothing(self, recordings: FileRecordings) -> None:
        await recordings.append(SID, 0, b"no recording", HOST)
        assert await recordings.mend(SID, datetime(2026, 1, 1, tzinfo=UTC), "it died") is None
