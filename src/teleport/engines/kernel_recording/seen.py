"""What the kernel saw a session do."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A program was executed; or was not, and `result` is the negative error number. `session` is a cgroup's id."""

    at: int
    session: int
    pid: int
    parent: int = 0
    path: str = ""
    arguments: tuple[str, ...] = ()
    result: int = 0

    @property
    def program(self) -> str:
        return os.path.basename(self.path)


@dataclass(frozen=True, slots=True)
class Exit:
    """`status` is a wait status."""

    at: int
    session: int
    pid: int
    status: int
    program: str

    @property
    def code(self) -> int:
        """As a shell tells it: 128 and the signal for what a signal ended."""
        signal = self.status & 0x7F
        return 128 + signal if signal else (self.status >> 8) & 0xFF


@dataclass(frozen=True, slots=True)
class Opened:
    at: int
    session: int
    pid: int
    flags: int
    result: int
    path: str


@dataclass(frozen=True, slots=True)
class Connected:
    """`source` is empty where the socket had no address of its own."""

    at: int
    session: int
    pid: int
    result: int
    source: str
    address: str
    port: int
    version: int


@dataclass(frozen=True, slots=True)
class Unmarked:
    """A thread of this session cannot be followed: the kernel holds as many marks as it may."""

    at: int
    session: int
    pid: int


Seen = Command | Exit | Opened | Connected | Unmarked
