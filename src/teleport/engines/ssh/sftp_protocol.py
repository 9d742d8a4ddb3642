"""SFTP version 3 as a listener needs it (draft-ietf-secsh-filexfer-02, OpenSSH PROTOCOL section 4): what was asked,
how it was answered, how much was carried. The bytes of files are counted and not looked at; memory is bounded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

OPEN, CLOSE, READ, WRITE, SETSTAT, FSETSTAT, OPENDIR, READDIR = 3, 4, 5, 6, 9, 10, 11, 12
REMOVE, MKDIR, RMDIR, RENAME, SYMLINK, EXTENDED = 13, 14, 15, 18, 20, 200
VERSION, STATUS, HANDLE, DATA = 2, 101, 102, 103

_HEAD: Final = struct.Struct(">IB")
_MAX_KEPT: Final = 64 << 10
_MAX_PENDING: Final = 4096
_ONE_PATH: Final = (SETSTAT, OPENDIR, REMOVE, MKDIR, RMDIR)
_ON_HANDLE: Final = (CLOSE, READ, FSETSTAT, READDIR)
_CARRIES_FILE: Final = {WRITE, DATA}
_WORDS: Final = {
    1: "end of file", 2: "no such file", 3: "permission denied", 4: "failure", 5: "bad message", 6: "no connection",
    7: "connection lost", 8: "operation unsupported",
}  # fmt: skip


@dataclass(slots=True)
class Request:
    """What the client asked. `kind` names an extended request; `size` is how much a WRITE carries."""

    type: int
    path: str = ""
    target: str = ""
    handle: bytes = b""
    flags: int = 0
    size: int = 0
    kind: str = ""


@dataclass(slots=True)
class Answered:
    """A request with its answer; `error` is empty when it went well. `handle` is what OPEN and OPENDIR gave."""

    request: Request
    error: str = ""
    handle: bytes = b""
    size: int = 0


class _Packets:
    """Cuts a stream into (type, beginning of the body); of packets that carry files only the beginning is kept."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        view, position = memoryview(data), 0
        while True:
            if self._skip:
                passed = min(self._skip, len(view) - position)
                self._skip -= passed
                position += passed
                if self._skip:
                    return found
            wanted = self._wanted()
            missing = wanted - len(self._buffer)
            if missing > 0:
                taken = view[position : position + missing]
                self._buffer += taken
                position += len(taken)
                if len(taken) < missing:
                    return found
                if self._wanted() > len(self._buffer):
                    continue
            size, kind = _HEAD.unpack_from(self._buffer)
            found.append((kind, bytes(self._buffer[_HEAD.size :])))
            self._skip = max(0, size + 4 - len(self._buffer))
            self._buffer.clear()

    def _wanted(self) -> int:
        """How many bytes of the packet at hand have to be kept."""
        if len(self._buffer) < _HEAD.size:
            return _HEAD.size
        size, kind = _HEAD.unpack_from(self._buffer)
        whole = int(size) + 4
        if kind == DATA:
            return min(whole, 13)
        if kind == WRITE:
            if len(self._buffer) < 13:
                return min(whole, 13)
            (handle,) = struct.unpack_from(">I", self._buffer, 9)
            return min(whole, 13 + min(int(handle), 256) + 12)
        return min(whole, _MAX_KEPT)


class Listener:
    """Hears both sides of one SFTP conversation and pairs answers with what they answer."""

    def __init__(self) -> None:
        self._from_client = _Packets()
        self._from_server = _Packets()
        self._pending: dict[int, Request] = {}

    def hear_client(self, data: bytes) -> None:
        for kind, body in self._from_client.feed(data):
            if len(body) >= 4 and kind in _PARSED and len(self._pending) < _MAX_PENDING:
                request = _parse(kind, body[4:])
                if request is not None:
                    self._pending[int.from_bytes(body[:4], "big")] = request

    def hear_server(self, data: bytes) -> list[Answered]:
        answers = []
        for kind, body in self._from_server.feed(data):
            if kind == VERSION or len(body) < 4:
                continue
            request = self._pending.pop(int.from_bytes(body[:4], "big"), None)
            if request is not None:
                answers.append(_answer(request, kind, body[4:]))
        return answers


def _answer(request: Request, kind: int, body: bytes) -> Answered:
    if kind == STATUS:
        code = int.from_bytes(body[:4], "big")
        is_end = code == 1 and request.type in (READ, READDIR)
        error = "" if code == 0 or is_end else _WORDS.get(code, f"status {code}")
        return Answered(request, error)
    if kind == HANDLE:
        return Answered(request, handle=_string(body, 0)[0])
    if kind == DATA:
        return Answered(request, size=int.from_bytes(body[:4], "big"))
    return Answered(request)


_PARSED: Final = {OPEN, WRITE, RENAME, SYMLINK, EXTENDED, *_ONE_PATH, *_ON_HANDLE}


def _parse(kind: int, body: bytes) -> Request | None:
    try:
        if kind == EXTENDED:
            return _parse_extended(body)
        first, after = _string(body, 0)
        if kind == OPEN:
            return Request(kind, path=_text(first), flags=int.from_bytes(body[after : after + 4], "big"))
        if kind == WRITE:
            return Request(kind, handle=first, size=int.from_bytes(body[after + 8 : after + 12], "big"))
        if kind in _ON_HANDLE:
            return Request(kind, handle=first)
        if kind in _ONE_PATH:
            return Request(kind, path=_text(first))
        second, _ = _string(body, after)
        if kind == SYMLINK:  # OpenSSH sends the target first, against the draft
            return Request(kind, path=_text(first), target=_text(second))
        return Request(kind, path=_text(first), target=_text(second))
    except ValueError:
        return None


def _parse_extended(body: bytes) -> Request | None:
    name, after = _string(body, 0)
    kind = _text(name)
    if kind not in ("posix-rename@openssh.com", "hardlink@openssh.com", "lsetstat@openssh.com"):
        return None
    first, after = _string(body, after)
    if kind == "lsetstat@openssh.com":
        return Request(SETSTAT, path=_text(first))
    second, _ = _string(body, after)
    return Request(
        RENAME if kind.startswith("posix") else EXTENDED, path=_text(first), target=_text(second), kind=kind
    )


def _string(body: bytes, at: int) -> tuple[bytes, int]:
    size = int.from_bytes(body[at : at + 4], "big")
    end = at + 4 + size
    if len(body) < at + 4 or end > len(body):
        raise ValueError("cut off")
    return body[at + 4 : end], end


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
