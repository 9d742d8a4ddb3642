"""Listeners to file copies that others serve: they tell the audit log what is done, file by file.

Where the server is ours it tells by itself, see `file_copy`.
"""

from __future__ import annotations

import hashlib
import shlex

from teleport.engines.ssh import sftp_protocol as sftp
from teleport.engines.ssh.audit import Audit
from teleport.model.events.file_transfer import SFTPAction

MAX_STATS = 10_000
UNKNOWN = "unknown"
"""The hash of what passes in pieces that nobody puts in order."""

# SFTP request -> number of the action in the audit event
ACTIONS = {
    sftp.OPEN: 1,
    sftp.SETSTAT: 7,
    sftp.FSETSTAT: 7,
    sftp.OPENDIR: 9,
    sftp.READDIR: 10,
    sftp.REMOVE: 11,
    sftp.MKDIR: 12,
    sftp.RMDIR: 13,
    sftp.RENAME: 16,
    sftp.SYMLINK: 18,
    sftp.EXTENDED: 19,
}


class FileStats:
    """What was carried of one file."""

    def __init__(self, path: str, *, is_file: bool) -> None:
        self.path = path
        self.is_file = is_file
        self.bytes_read = 0
        self.bytes_written = 0


class SftpTap:
    """An audit event for each operation on a file, and one that sums up."""

    def __init__(self, audit: Audit, sid: str) -> None:
        self._audit = audit
        self._sid = sid
        self._listener = sftp.Listener()
        self._open: dict[bytes, FileStats] = {}
        self._listed: set[bytes] = set()
        self._stats: list[FileStats] = []

    def hear_client(self, data: bytes) -> None:
        self._listener.hear_client(data)

    def hear_server(self, data: bytes) -> None:
        for answered in self._listener.hear_server(data):
            self._take(answered)

    def end(self) -> None:
        if self._stats:
            self._audit.sftp_summary(
                self._sid, [(one.path, one.bytes_read, one.bytes_written, UNKNOWN) for one in self._stats]
            )

    def _take(self, answered: sftp.Answered) -> None:
        request = answered.request
        stats = self._open.get(request.handle)
        match request.type:
            case sftp.READ:
                if stats is not None:
                    stats.bytes_read += answered.size
                return
            case sftp.WRITE:
                if stats is not None and not answered.error:
                    stats.bytes_written += request.size
                return
            case sftp.CLOSE:
                self._listed.discard(request.handle)
                if (closed := self._open.pop(request.handle, None)) is not None and closed.is_file:
                    self._close(closed)
                return
            case sftp.READDIR:
                if request.handle in self._listed:
                    return
                self._listed.add(request.handle)
            case sftp.OPEN | sftp.OPENDIR if not answered.error:
                opened = FileStats(request.path, is_file=request.type == sftp.OPEN)
                self._open[answered.handle] = opened
                if request.type == sftp.OPEN and len(self._stats) < MAX_STATS:
                    self._stats.append(opened)
        path = request.path or (stats.path if stats is not None else "")
        self._audit.sftp(
            self._sid, ACTIONS[request.type], path=path, target_path=request.target, flags=request.flags,
            error=answered.error,
        )  # fmt: skip

    def _close(self, closed: FileStats) -> None:
        self._audit.sftp(
            self._sid, SFTPAction.CLOSE, path=closed.path, bytes_read=closed.bytes_read,
            bytes_written=closed.bytes_written, sha256=UNKNOWN, error="",
        )  # fmt: skip


class ScpTap:
    """The old copy protocol: each file is announced by a line `C<mode> <size> <name>` and followed by its bytes."""

    def __init__(self, audit: Audit, sid: str, path: str, *, is_upload: bool) -> None:
        self._audit = audit
        self._sid = sid
        self._path = path
        self._is_upload = is_upload
        self._line = bytearray()
        self._skip = 0
        self._folders: list[str] = []
        self._file = ""
        self._size = 0
        self._hash = hashlib.sha256()

    def hear_client(self, data: bytes) -> None:
        if self._is_upload:
            self._hear(data)

    def hear_server(self, data: bytes) -> None:
        if not self._is_upload:
            self._hear(data)

    def end(self) -> None:
        """A file that was not carried to its end is told too."""
        if self._file:
            self._audit.scp(
                self._sid, self._file, self._size - self._skip, is_upload=self._is_upload, error="cut off",
                sha256=self._hash.hexdigest(),
            )  # fmt: skip

    def _hear(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            if self._skip:
                passed = min(self._skip, len(data) - position)
                self._hash.update(memoryview(data)[position : position + passed])
                self._skip -= passed
                position += passed
                self._tell_whole()
                continue
            end = data.find(b"\n", position)
            piece = data[position : end if end >= 0 else len(data)]
            if not self._line:
                piece = piece.lstrip(b"\0")
            self._line += piece[: 8192 - len(self._line)]
            if end < 0:
                return
            position = end + 1
            self._take(self._line.decode("utf-8", "replace"))
            self._line.clear()

    def _tell_whole(self) -> None:
        if self._file and not self._skip:
            self._audit.scp(
                self._sid, self._file, self._size, is_upload=self._is_upload, sha256=self._hash.hexdigest()
            )
            self._file = ""

    def _take(self, line: str) -> None:
        kind, fields = line[:1], line[1:].split(" ", 2)
        if kind == "C" and len(fields) == 3 and fields[1].isdecimal():
            self._size = self._skip = int(fields[1][:20])
            self._file = "/".join([self._path, *self._folders, fields[2]])
            self._hash = hashlib.sha256()
            self._tell_whole()
        elif kind == "D" and len(fields) == 3:
            self._folders.append(fields[2])
        elif kind == "E" and self._folders:
            self._folders.pop()


def scp_tap(audit: Audit, sid: str, command: str) -> ScpTap | None:
    """A listener when the command is the far end of scp, however its path is written; None when it is not."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or words[0].rsplit("/", 1)[-1] != "scp":
        return None
    options = "".join(word[1:] for word in words[1:] if word.startswith("-") and not word.startswith("--"))
    if "t" not in options and "f" not in options:
        return None
    return ScpTap(audit, sid, words[-1], is_upload="t" in options)
