"""The files of the audit log: JSON lines, one file a UTC day, and a link that always names the newest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from teleport.storage.files import make_private_directory, sync_directory

_NAME = re.compile(r"\d{4}-\d\d-\d\d\.00:00:00\.log")
_PIECE = 8 * 1024 * 1024
_WIDEST_SPAN = 4 * 1024 * 1024


def day_file_name(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}.00:00:00.log"


def day_of_file(name: str) -> int:
    """Days since 1970."""
    return date.fromisoformat(name[:10]).toordinal() - date(1970, 1, 1).toordinal()


class DayFiles:
    """Files are named by `day_file_name`. One writer. Every method raises OSError."""

    def __init__(self, directory: Path, link: Path) -> None:
        """Creates the directory (0700)."""
        self._directory = directory
        self._link = link
        self._open_name = ""
        self._descriptor = -1
        make_private_directory(directory)

    def names(self) -> list[str]:
        """Oldest first."""
        return sorted(entry.name for entry in self._directory.iterdir() if _NAME.fullmatch(entry.name))

    def size(self, name: str) -> int:
        """0 for a file that is not there."""
        try:
            if name == self._open_name:
                status = os.fstat(self._descriptor)
                return status.st_size if status.st_nlink else 0
            return (self._directory / name).stat().st_size
        except FileNotFoundError:
            return 0

    def write(self, name: str, offset: int, content: bytes) -> None:
        """Make the file end with `content` at `offset`, on disk when it returns."""
        self._open(name)
        view, position = memoryview(content), offset
        while view:
            written = os.pwrite(self._descriptor, view, position)
            view, position = view[written:], position + written
        os.fdatasync(self._descriptor)

    def truncate(self, name: str, size: int) -> None:
        """Cut off what is behind `size`."""
        self._open(name)
        os.ftruncate(self._descriptor, size)

    def lines_from(self, name: str, offset: int) -> Iterator[tuple[int, bytes]]:
        """(offset, line with its end) of each whole line from `offset` on; a torn last line is left out."""
        with (self._directory / name).open("rb") as file:
            file.seek(offset)
            rest = b""
            while piece := file.read(_PIECE):
                lines = _split(rest + piece)
                rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
                for line in lines:
                    yield offset, line
                    offset += len(line)

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes at each (offset, length), in as few reads as is sensible."""
        descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            first = min(offset for offset, _ in spans)
            width = max(offset + length for offset, length in spans) - first
            if width <= _WIDEST_SPAN:
                content = os.pread(descriptor, width, first)
                return [content[offset - first : offset - first + length] for offset, length in spans]
            return [os.pread(descriptor, length, offset) for offset, length in spans]
        finally:
            os.close(descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._open_name, self._descriptor = "", -1

    def _open(self, name: str) -> None:
        if name == self._open_name and os.fstat(self._descriptor).st_nlink > 0:
            return
        self.close()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._directory / name, flags, 0o600)
        self._open_name = name
        sync_directory(self._directory)
        if name == self.names()[-1]:
            self._point_link_at(name)

    def _point_link_at(self, name: str) -> None:
        target = os.path.relpath(self._directory / name, self._link.parent)
        if self._link.is_symlink() and os.readlink(self._link) == target:
            return
        temporary = self._link.with_name(f".{self._link.name}.{os.getpid()}.new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(self._link)


def _split(content: bytes) -> list[bytes]:
    """Lines with their ends, by line feeds alone; the last one may have none."""
    lines = [line + b"\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
