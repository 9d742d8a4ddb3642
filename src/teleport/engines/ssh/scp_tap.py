"""A listener to old copies that a shell of this host runs: it tells the audit log what is carried, file by file.

Where the server is ours it tells by itself, see `file_copy`; what passes to another server is read in `passing_scp`.
"""

from __future__ import annotations

import hashlib

from teleport.engines.ssh import scp_command
from teleport.engines.ssh.audit import Audit

MAX_DEPTH = 100
MAX_NAME = 255


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
        self._depth = 0
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
            self._file = "/".join([self._path, *self._folders, fields[2][:MAX_NAME]])
            self._hash = hashlib.sha256()
            self._tell_whole()
        elif kind == "D" and len(fields) == 3:
            self._depth += 1
            if self._depth <= MAX_DEPTH:
                self._folders.append(fields[2][:MAX_NAME])
        elif kind == "E" and self._depth:
            self._depth -= 1
            del self._folders[self._depth :]


def scp_tap(audit: Audit, sid: str, command: str) -> ScpTap | None:
    """A listener when the command is the far end of scp, however its path is written; None when it is not."""
    scp = scp_command.guess(command)
    return ScpTap(audit, sid, scp.path, is_upload=scp.is_upload) if scp is not None else None
