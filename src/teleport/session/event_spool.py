"""Audit events on disk until the log has them: append-only segments of JSON lines.

An event is durable once `append` returns. What was read is forgotten only by `discard`, so a crash repeats events
and never loses them; the log passes over a uid it knows. Blocking: call it from a thread.

    <directory>/000001/000000000001.jsonl      a shelf is of one run, a segment of the shelf grows to a size

A process locks its shelf. At a restart that lets the old process finish its sessions, both append and send for
themselves; a shelf whose owner is gone is taken over by whoever looks first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

_SUFFIX = ".jsonl"


class EventSpool:
    """One of each process for a directory. Shelves and segments are named by rising numbers."""

    def __init__(self, directory: Path, segment_size: int = 4 << 20) -> None:
        self._directory = directory
        self._segment_size = segment_size
        self._shelves: dict[Path, int] = {}
        """Those that are ours, with the descriptors that lock them."""
        self._own: Path | None = None
        self._next = 1
        self._file: int | None = None
        self._path: Path | None = None
        self._written = 0
        self._offsets: dict[Path, int] = {}
        self._pending: tuple[Path, int] | None = None

    def open(self) -> int:
        """Make the folder, find what earlier runs left. Returns the number of segments found."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return len(list(self._directory.glob(f"*/*{_SUFFIX}")))

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
        self._adopt()
        for path in self._segments():
            data = self._read(path, limit)
            complete = data[: data.rfind(b"\n") + 1]
            if complete:
                self._pending = path, len(complete)
                return [line for line in complete.split(b"\n") if line]
            if path == self._path:
                continue
            self._drop(path)
        return []

    def discard(self) -> None:
        """The log has what `peek` gave last."""
        if self._pending is None:
            return
        path, count = self._pending
        self._pending = None
        self._offsets[path] = self._offsets.get(path, 0) + count
        if self._offsets[path] >= path.stat().st_size:
            self._drop(path)

    def close(self) -> None:
        """Another process may have what is left."""
        self._close_file()
        for shelf in tuple(self._shelves):
            self._leave(shelf)
        self._own = None

    # -- shelves

    def _adopt(self) -> None:
        """Take over shelves that nobody holds."""
        with contextlib.suppress(FileNotFoundError):
            for shelf in self._directory.iterdir():
                if shelf not in self._shelves and shelf.name.isdigit():
                    self._lock(shelf)

    def _lock(self, shelf: Path) -> bool:
        try:
            descriptor = os.open(shelf, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shelf.stat()  # it may have been emptied and removed just before
        except OSError:
            os.close(descriptor)
            return False
        self._shelves[shelf] = descriptor
        return True

    def _open_own(self) -> Path:
        number = max((int(path.name) for path in self._directory.iterdir() if path.name.isdigit()), default=0)
        while True:
            number += 1
            shelf = self._directory / f"{number:06d}"
            try:
                shelf.mkdir(mode=0o700)
            except FileExistsError:
                continue
            if self._lock(shelf):
                sync_directory(self._directory)
                return shelf

    def _leave(self, shelf: Path) -> None:
        with contextlib.suppress(OSError):
            shelf.rmdir()  # only when it is empty
        os.close(self._shelves.pop(shelf))

    # -- segments

    def _segments(self) -> list[Path]:
        return [path for shelf in sorted(self._shelves) for path in sorted(shelf.glob(f"*{_SUFFIX}"))]

    def _read(self, path: Path, limit: int) -> bytes:
        with path.open("rb") as file:
            file.seek(self._offsets.get(path, 0))
            data = file.read(limit)
            if data and b"\n" not in data:  # one event longer than the limit
                data += file.readline()
            return data

    def _roll(self) -> None:
        self._close_file()
        if self._own is None:
            self._own = self._open_own()
        path = self._own / f"{self._next:012d}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._next += 1
        self._path, self._written = path, 0
        sync_directory(self._own)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _cut(self) -> None:
        """Take back a write that did not succeed as a whole."""
        if self._file is not None:
            os.ftruncate(self._file, self._written)

    def _drop(self, path: Path) -> None:
        if path == self._path:
            self._close_file()
            self._path = None
        path.unlink(missing_ok=True)
        self._offsets.pop(path, None)
        if path.parent != self._own and not any(path.parent.iterdir()):
            self._leave(path.parent)


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
