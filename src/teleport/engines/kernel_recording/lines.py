"""Reads what the program in the kernel prints (`program` tells the lines) and puts pieces together.

Names of files and programs are bytes: what is not UTF-8 is told as `\\xNN`. What was longer than could be read ends
in an ellipsis, so that nobody takes it for the whole.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field

from teleport.engines.kernel_recording.program import MAX_ARGUMENTS, TEXT_SIZE

CUT = "…"
_MAX_OPEN = 4096


@dataclass(frozen=True)
class Command:
    """A program was executed; or was not, and `result` is the negative error number. `session` is a cgroup's id."""

    session: int
    pid: int
    parent: int = 0
    path: str = ""
    arguments: tuple[str, ...] = ()
    result: int = 0

    @property
    def program(self) -> str:
        return os.path.basename(self.path)


@dataclass(frozen=True)
class Exit:
    """`status` is a wait status."""

    session: int
    pid: int
    status: int
    program: str

    @property
    def code(self) -> int:
        """As a shell tells it: 128 and the signal for what a signal ended."""
        signal = self.status & 0x7F
        return 128 + signal if signal else (self.status >> 8) & 0xFF


@dataclass(frozen=True)
class Opened:
    session: int
    pid: int
    flags: int
    result: int
    path: str


@dataclass(frozen=True)
class Connected:
    session: int
    pid: int
    result: int
    address: str
    port: int
    version: int


@dataclass(frozen=True)
class Lost:
    """So many lines never arrived, of whatever session."""

    count: int


@dataclass(frozen=True)
class Ready:
    """The program watches from here on."""


@dataclass(frozen=True)
class Tick:
    """A tenth of a second has passed."""


Seen = Command | Exit | Opened | Connected
Line = Seen | Lost | Ready | Tick


@dataclass
class _Unfinished:
    """A command whose arguments still arrive."""

    session: int
    pid: int
    parent: int
    size: int
    path: str
    arguments: bytes = b""

    @property
    def is_whole(self) -> bool:
        return len(self.arguments) >= min(self.size, MAX_ARGUMENTS)

    def finished(self) -> Command:
        words = self.arguments.split(b"\0")
        if len(self.arguments) < self.size:
            texts = [shown(word) for word in words]
            texts[-1] += CUT
        else:
            texts = [shown(word) for word in words[:-1]]
        return Command(self.session, self.pid, self.parent, self.path, tuple(texts))


@dataclass
class LineReader:
    """`feed` takes one line of bpftrace's JSON. A line that is not understood counts as lost."""

    _open: dict[int, _Unfinished] = field(default_factory=dict)

    def feed(self, line: bytes) -> list[Line]:
        try:
            message = json.loads(line.decode("utf-8", "surrogateescape"))
            kind, data = message["type"], message["data"]
            if kind == "lost_events":
                return [Lost(int(data["events"]))]
            return self._printed(data) if kind == "printf" else []
        except (ValueError, KeyError, TypeError, IndexError):
            return [Lost(1)]

    def _printed(self, text: str) -> list[Line]:
        match text[:1]:
            case "T":
                return [Tick()]
            case "R":
                return [Ready()]
            case "C":
                return self._begin(text)
            case "A":
                return self._continue(text)
            case "F":
                _, session, pid, result, path = text.split(" ", 4)
                return [Command(int(session), int(pid), path=_path(path), result=int(result))]
            case "X":
                _, session, pid, status, name = text.split(" ", 4)
                return [*self._give_up(int(pid)), Exit(int(session), int(pid), int(status), _path(name))]
            case "D":
                _, session, pid, flags, result, path = text.split(" ", 5)
                return [Opened(int(session), int(pid), int(flags), int(result), _path(path))]
            case "N":
                return _connected(text)
        raise ValueError(text[:1])

    def _begin(self, text: str) -> list[Line]:
        _, session, pid, parent, size, path = text.split(" ", 5)
        given_up = self._give_up(int(pid))
        if len(self._open) >= _MAX_OPEN:
            given_up += self._give_up(next(iter(self._open)))
        begun = _Unfinished(int(session), int(pid), int(parent), int(size), _path(path))
        if begun.is_whole:
            return [*given_up, begun.finished()]
        self._open[begun.pid] = begun
        return given_up

    def _continue(self, text: str) -> list[Line]:
        _, pid, at, piece = text.split(" ", 3)
        begun = self._open.get(int(pid))
        if begun is None or int(at) != len(begun.arguments):
            return [Lost(1)]
        begun.arguments += bytes.fromhex(piece.replace("\\x", ""))
        if not begun.is_whole:
            return []
        del self._open[begun.pid]
        return [begun.finished()]

    def _give_up(self, pid: int) -> list[Line]:
        """Some of its arguments were lost: the command is told with those that came."""
        begun = self._open.pop(pid, None)
        return [Lost(1), begun.finished()] if begun is not None else []


def shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _path(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    return shown(raw) + (CUT if len(raw) >= TEXT_SIZE - 1 else "")


def _connected(text: str) -> list[Line]:
    """Unix sockets and other families are no network."""
    _, session, pid, result, address = text.split(" ", 4)
    raw = bytes.fromhex(address.replace("\\x", ""))
    family, port = int.from_bytes(raw[:2], "little"), int.from_bytes(raw[2:4], "big")
    if family == 2:
        host, version = str(ipaddress.IPv4Address(raw[4:8])), 4
    elif family == 10:
        host, version = str(ipaddress.IPv6Address(raw[8:24])), 6
    else:
        return []
    return [Connected(int(session), int(pid), int(result), host, port, version)]
