"""The recording codec: what goes in comes out, whatever the pieces; a torn tail loses only itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.wire.recording import (
    HEADER,
    DamagedRecording,
    Ended,
    Frame,
    Noted,
    Printed,
    RecordingEnd,
    RecordingInfo,
    RecordingReader,
    Resized,
    Started,
    encode_part,
)

WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
INFO = RecordingInfo(sid="0b7b4d9c", user="alice", login="root", started=WHEN, columns=100, rows=30)
END = RecordingEnd(ended=WHEN, reason="done", exit_status=3, participants=("alice", "bob"))

offsets = st.integers(0, 0xFFFFFFFF)
frames = st.one_of(
    st.builds(Printed, offsets, st.binary(max_size=300)),
    st.builds(Resized, offsets, st.integers(1, 0xFFFF), st.integers(1, 0xFFFF)),
    st.builds(Noted, offsets, st.binary(max_size=80)),
    st.builds(Started, offsets, st.just(INFO)),
    st.builds(Ended, offsets, st.just(END)),
)
parts = st.lists(st.lists(frames, min_size=1, max_size=6), min_size=1, max_size=5)


def read(data: bytes, piece: int = 1 << 20) -> list[Frame]:
    reader = RecordingReader()
    return [frame for at in range(0, len(data), piece) for frame in reader.feed(data[at : at + piece])]


@given(parts, st.integers(1, 400))
def test_gives_back_every_frame_whatever_the_pieces(written: list[list[Frame]], piece: int) -> None:
    data = b"".join(encode_part(number, part) for number, part in enumerate(written, 1))
    assert read(data, piece) == [frame for part in written for frame in part]


@given(parts, st.integers(0, 2000))
def test_a_torn_tail_loses_only_its_own_part(written: list[list[Frame]], cut: int) -> None:
    encoded = [encode_part(number, part) for number, part in enumerate(written, 1)]
    data = b"".join(encoded)
    kept = data[: max(0, len(data) - cut)]
    whole = 0
    while whole < len(encoded) and len(b"".join(encoded[: whole + 1])) <= len(kept):
        whole += 1
    reader = RecordingReader()
    assert reader.feed(kept) == [frame for part in written[:whole] for frame in part]
    assert reader.consumed == len(b"".join(encoded[:whole]))
    assert reader.is_torn == (len(kept) > reader.consumed)


@given(st.binary(min_size=24, max_size=400))
def test_garbage_is_damage_and_nothing_worse(data: bytes) -> None:
    if data[:4] != b"TPSR":
        with pytest.raises(DamagedRecording):
            read(data)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    part = bytearray(encode_part(1, [Printed(5, b"secret is safe")]))
    at = data.draw(st.integers(HEADER.size, len(part) - 1))
    part[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedRecording, match="checksum"):
        read(bytes(part))


def test_a_part_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teleport.wire.recording.MAX_UNPACKED", 1000)
    with pytest.raises(DamagedRecording, match="unpacks to more"):
        read(encode_part(1, [Printed(0, bytes(5000))]))


def test_a_length_beyond_the_limit_is_refused_before_it_is_read() -> None:
    header = HEADER.pack(b"TPSR", 1, 0, 1, 1 << 31, 1, 0)
    with pytest.raises(DamagedRecording):
        read(header)


def test_another_version_is_told() -> None:
    with pytest.raises(DamagedRecording, match="version 9"):
        read(HEADER.pack(b"TPSR", 9, 0, 1, 10, 1, 0))


def test_a_session_longer_than_the_offset_can_tell_stays_at_its_end() -> None:
    assert read(encode_part(1, [Printed(1 << 40, b"x")])) == [Printed(0xFFFFFFFF, b"x")]
