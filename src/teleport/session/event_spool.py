"""Audit events on disk until the log has them: append-only segments of JSON lines.

An event is durable once `append` returns. What was read is forgotten only by `discard`, so a crash repeats events
and never loses them; the log passes over a uid it knows. Blocking: call it from a thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_SUFFIX = ".jsonl"


class EventSpool:
    """Segments named by a rising number; the last one grows. One process at a time."""

    def __init__(self, directory: Path, segment_size: int = 4 << 20) -> None:
        self._directory = directory
        self._segment_size = segment_size
        self._next = 1
        self._file: int | None = None
        self._path: Path | None = None
        self._written = 0
        self._read_offset = 0

    def open(self) -> int:
        """Make the folder, find what an earlier run left. Returns the number of segments found."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = self._segments()
        self._next = int(found[-1].stem) + 1 if found else 1
        return len(found)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write the events and wait until the disk has them. Raises OSError, and then none of them counts."""
        if self._file is None or self._written >= self._segment_size:
            self._roll()
        assert self._file is not None
        try:
            _write_all(self._file, b"".join(line + b"\n" for line in lines))
            os.fdatasync(self._file)
        except OSError:
            self._cut()
            raise
        self._written = os.fstat(self._file).st_size

    def peek(self, limit: int = 256 << 10) -> list[bytes]:
        """The oldest events not yet discarded, at least one and about `limit` bytes; empty when all is sent."""
        for path in self._segments():
            data = self._read(path, limit)
            complete = data[: data.rfind(b"\n") + 1]
            if complete:
                self._pending = len(complete)
                return [line for line in complete.split(b"\n") if line]
            if path == self._path:
                return []
            self._drop(path)
        return []

    def discard(self) -> None:
        """The log has what `peek` gave last."""
        self._read_offset += self._pending
        self._pending = 0
        oldest = next(iter(self._segments()), None)
        if oldest is not None and self._read_offset >= oldest.stat().st_size:
            self._drop(oldest)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    _pending = 0

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"*{_SUFFIX}"))

    def _read(self, path: Path, limit: int) -> bytes:
        with path.open("rb") as file:
            file.seek(self._read_offset)
            data = file.read(limit)
            if data and b"\n" not in data:  # one event longer than the limit
                data += file.readline()
            return data

    def _roll(self) -> None:
        self.close()
        path = self._directory / f"{self._next:012d}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._next += 1
        self._path, self._written = path, 0
        sync_directory(self._directory)

    def _cut(self) -> None:
        """Take back a write that did not succeed as a whole."""
        if self._file is not None:
            os.ftruncate(self._file, self._written)

    def _drop(self, path: Path) -> None:
        if path == self._path:
            self.close()
            self._path = None
        path.unlink(missing_ok=True)
        self._read_offset = 0


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
