"""Copies of files that another server serves: what goes between it and the client is read before it is passed on.

A passage does no I/O: bytes come in, and go out by the sides it was given. Neither end is trusted. What it does not
understand it does not pass on, so that the log knows of all that is carried.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Generator, Sequence
from typing import Literal, Protocol, TypeAlias

from teleport.engines.ssh import remote_paths
from teleport.engines.ssh.file_desk import Digest
from teleport.engines.ssh.file_link import Answer, Bases, Question, Told
from teleport.engines.ssh.remote_paths import Answered as Answered
from teleport.engines.ssh.remote_paths import Asked, Found

Direction: TypeAlias = Literal["download", "upload", "move", "link"]
Step: TypeAlias = Generator[list[Asked], list[Answered], None]


class Broken(Exception):
    """One end does not keep to the protocol; the text names which."""


class Sides(Protocol):
    """Where a passage puts what it lets through. Everything returns at once."""

    def to_client(self, data: bytes) -> None: ...

    def to_server(self, data: bytes) -> None: ...

    def end_to_server(self) -> None:
        """The client sends nothing more."""
        ...

    def note(self, text: str) -> None:
        """Words for the person, beside the copy."""
        ...

    def break_off(self, reason: str) -> None:
        """The copy may not go on."""
        ...


class Clerk(Protocol):
    """Decides, and tells the log."""

    is_governed: bool

    def arrive(self, home: str) -> Sequence[str]: ...

    def learn(self, bases: Bases) -> None: ...

    def answer(self, question: Question) -> Answer: ...

    def take(self, told: Told) -> None: ...


class Passage(Protocol):
    """One copy that passes."""

    def open(self) -> None:
        """The server has been asked for the copy: speak to it."""
        ...

    def from_client(self, data: bytes) -> None: ...

    def from_server(self, data: bytes) -> None: ...

    def end_of_client(self) -> None: ...

    @property
    def is_full(self) -> bool:
        """So much of the client waits to be looked at that it should pause."""
        ...

    def close(self) -> None:
        """Nothing more is passed."""
        ...


class Paths(Protocol):
    """Knows where paths lead on the host, beside a copy."""

    async def settle(self, clerk: Clerk) -> str:
        """The home of the login, and the clerk knows of the folders that rules name. Raises Unavailable."""
        ...

    async def find(self, question: remote_paths.Question) -> Found | str:
        """What is there, or why that is not known."""
        ...

    def close(self) -> None: ...


class Carried:
    """A file on its way. `read` and `written` are what both ends agreed on."""

    def __init__(self, path: bytes, number: int) -> None:
        self.path = path
        self.number = number
        self.read = 0
        self.written = 0
        self.given = Digest()
        self.taken = Digest()
        self.is_lost = False
        """A part of what was carried was not taken, so its hash says nothing."""

    @property
    def sha256(self) -> str:
        way = self.taken if self.written or not self.read else self.given
        return "unknown" if self.is_lost else way.text


def question(
    direction: Direction,
    found: Found,
    asked: bytes,
    home: str,
    size: int,
    *,
    is_folder: bool = False,
    to: bytes = b"",
) -> Question:
    """What rules are asked about it. `asked` is how the client called it."""
    absolute = posixpath.normpath(posixpath.join(os.fsencode(home) or b"/", asked))
    return Question(direction, text(found.path), asked=text(absolute), to=text(to), size=size, folder=is_folder)


def text(path: bytes) -> str:
    """A character for each byte, as the log's ear wants paths."""
    return path[:4096].decode("latin-1")
