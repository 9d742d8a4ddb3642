"""Gives a recording whose recorder died its end: the torn tail is cut off, the last frame is added. Blocking."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path

from teleport.wire.recording import (
    HEADER,
    DamagedRecording,
    Ended,
    Frame,
    RecordingEnd,
    RecordingInfo,
    RecordingReader,
    Started,
    encode_part,
    part_size,
)

_PIECE = 1 << 20


@dataclass(frozen=True)
class MendedRecording:
    """What is known of the session, and the end that its recording has now."""

    info: RecordingInfo
    end: RecordingEnd


def mend(path: Path, now: datetime, reason: str, begun: RecordingInfo | None = None) -> MendedRecording | None:
    """An end that is there stays as it is. None when not even its first part is there.

    `begun` is for a file that holds only the rest of a recording. Raises OSError.
    """
    info, end, last, reader = begun, None, 0, RecordingReader()
    for frame in _frames(path, reader):
        last = max(last, frame.offset)
        if isinstance(frame, Started):
            info = frame.info
        elif isinstance(frame, Ended):
            end = frame.end
    if info is None:
        return None
    if end is not None:
        _replace_tail(path, reader.consumed, b"")
    else:
        ended = min(info.started + timedelta(milliseconds=last), now)
        end = RecordingEnd(ended=ended, reason=reason, participants=(info.user,), recovered=True)
        _replace_tail(path, reader.consumed, encode_part(reader.last_number + 1, [Ended(last, end)]))
    return MendedRecording(info, end)


def is_between_parts(file: FileIO, offset: int) -> bool:
    """Whether so many bytes at the beginning are parts, going by their headers."""
    position = 0
    while position < offset:
        file.seek(position)
        size = part_size(file.read(HEADER.size))
        if not size:
            return False
        position += size
    return position == offset


def whole_parts(content: bytes) -> int:
    """How many bytes at the beginning are parts that are whole and sound."""
    reader = RecordingReader()
    with contextlib.suppress(DamagedRecording):
        reader.feed(content)
    return reader.consumed


def _frames(path: Path, reader: RecordingReader) -> Iterator[Frame]:
    """As far as the file is sound."""
    with path.open("rb") as file, contextlib.suppress(DamagedRecording):
        while piece := file.read(_PIECE):
            yield from reader.read(piece)


def _replace_tail(path: Path, size: int, tail: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(descriptor, "wb", buffering=0) as file:
        file.truncate(size)
        file.seek(size)
        view = memoryview(tail)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())
