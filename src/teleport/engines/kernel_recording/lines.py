"""Reads what the program in the kernel prints (`program` tells the lines) and puts pieces together.

Names of files and programs are bytes: what is not UTF-8 is told as `\\xNN`. What was longer than could be read ends
in an ellipsis, so that nobody takes it for the whole.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from teleport.engines.kernel_recording.program import MAX_ARGUMENTS, TEXT_SIZE
from teleport.engines.kernel_recording.requests import UNKNOWN, Requests
from teleport.engines.kernel_recording.seen import Command, Connected, Exit, Opened, Seen, Unmarked

CUT = "…"
_MAX_OPEN = 4096
_PATIENCE = 2_000_000_000
"""Nanoseconds that the pieces of one command may lie apart."""
_NOWHERE = "\\x00" * 16
"""Where a connection comes from that is made through io_uring: nobody tells."""
_RESTARTED = range(-516, -511)
"""Results of system calls that a signal interrupted, and which the kernel makes anew: nobody sees them."""


@dataclass(frozen=True, slots=True)
class Lost:
    """So many lines never arrived, of whatever session."""

    count: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The program watches from here on."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A tenth of a second has passed."""

    at: int


@dataclass(frozen=True, slots=True)
class Marked:
    """The sessions of which something runs."""

    sessions: frozenset[int]


Line = Seen | Lost | Ready | Tick | Marked


@dataclass(slots=True)
class _Unfinished:
    """A command whose arguments still arrive."""

    at: int
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
        return Command(self.at, self.session, self.pid, self.parent, self.path, tuple(texts))


@dataclass
class LineReader:
    """`feed` takes one line of bpftrace's JSON. A line that is not understood counts as lost."""

    _open: dict[tuple[int, int], _Unfinished] = field(default_factory=dict)
    _requests: Requests = field(default_factory=Requests)

    def feed(self, line: bytes) -> list[Line]:
        try:
            message = _message(line)
            kind, data = message["type"], message["data"]
            match kind:
                case "printf":
                    return self._printed(data)
                case "lost_events":
                    return [Lost(int(data["events"]))]
                case "map" if "@session" in data:
                    return [Marked(frozenset(mark >> 1 for mark in data["@session"].values()))]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return [Lost(1)]
        return []

    def _printed(self, text: str) -> list[Line]:
        match text[:1]:
            case "T":
                return self._tick(int(text[2:]))
            case "P":
                return []
            case "R":
                return [Ready()]
            case "C":
                return self._begin(text)
            case "A":
                return self._continue(text)
            case "F":
                _, at, session, pid, result, path = text.split(" ", 5)
                return [Command(int(at), int(session), int(pid), path=_path(path), result=int(result))]
            case "X":
                _, at, session, pid, status, name = text.split(" ", 5)
                return [Exit(int(at), int(session), int(pid), int(status), _path(name))]
            case "D":
                _, at, session, pid, flags, result, path = text.split(" ", 6)
                if int(result) in _RESTARTED:
                    return []
                return [Opened(int(at), int(session), int(pid), int(flags), int(result), _path(path))]
            case "N":
                return [*_connected(text)]
            case "O":
                _, at, session, pid, number, flags, path = text.split(" ", 6)
                opened = Opened(int(at), int(session), int(pid), int(flags), UNKNOWN, _path(path))
                return [*self._requests.ask(int(number), opened)]
            case "M":
                _, at, session, pid, number, peer = text.split(" ")
                told = _connected(f"N {at} {session} {pid} {UNKNOWN} {peer} 0 {_NOWHERE}")
                return [done for one in told for done in self._requests.ask(int(number), one)]
            case "Z":
                _, at, number, result = text.split(" ")
                return [*self._requests.answer(int(at), int(number), int(result))]
            case "U":
                _, at, session, pid = text.split(" ")
                return [Unmarked(int(at), int(session), int(pid))]
        raise ValueError(text[:1])

    def _tick(self, at: int) -> list[Line]:
        late = [key for key in self._open if key[0] < at - _PATIENCE]
        return [*(line for key in late for line in self._give_up(key)), *self._requests.tick(at), Tick(at)]

    def _begin(self, text: str) -> list[Line]:
        _, at, session, pid, parent, size, path = text.split(" ", 6)
        begun = _Unfinished(int(at), int(session), int(pid), int(parent), int(size), _path(path))
        if begun.is_whole:
            return [begun.finished()]
        given_up = self._give_up(next(iter(self._open))) if len(self._open) >= _MAX_OPEN else []
        self._open[begun.at, begun.pid] = begun
        return given_up

    def _continue(self, text: str) -> list[Line]:
        _, time, pid, offset, piece = text.split(" ", 4)
        key = int(time), int(pid)
        begun = self._open.get(key)
        if begun is None or int(offset) != len(begun.arguments):
            return [Lost(1)]
        begun.arguments += bytes.fromhex(piece.replace("\\x", ""))
        if not begun.is_whole:
            return []
        del self._open[key]
        return [begun.finished()]

    def _give_up(self, key: tuple[int, int]) -> list[Line]:
        """Some of its arguments were lost: the command is told with those that came."""
        return [Lost(1), self._open.pop(key).finished()]


def _message(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):  # names that are no text, in which bpftrace sees no fault
        return json.loads(line.decode("utf-8", "surrogateescape"))


def shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _path(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    return shown(raw) + (CUT if len(raw) >= TEXT_SIZE - 1 else "")


def _connected(text: str) -> list[Connected]:
    """Unix sockets and other families are no network."""
    _, at, session, pid, result, address, own, own6 = text.split(" ")
    if int(result) in _RESTARTED:
        return []
    raw = _bytes(address)
    family, port = int.from_bytes(raw[:2], "little"), int.from_bytes(raw[2:4], "big")
    if family == 2:
        host, source, version = (
            ipaddress.ip_address(raw[4:8]),
            ipaddress.ip_address(int(own).to_bytes(4, "little")),
            4,
        )
    elif family == 10:
        host, source, version = ipaddress.ip_address(raw[8:24]), ipaddress.ip_address(_bytes(own6)), 6
    else:
        return []
    told = "" if source.is_unspecified else str(source)
    return [Connected(int(at), int(session), int(pid), int(result), told, str(host), port, version)]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
