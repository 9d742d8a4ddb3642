"""One running session with its parties: who sees the output, whose input counts, how large the terminal is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from teleport.wire.terminal import TerminalSize

Mode = Literal["peer", "observer", "moderator"]

_ENDS = uuid.UUID("6f1a2f9c-43cf-5b0e-9a57-2d9d0d7f8a11")


def end_event_id(sid: str) -> str:
    """The uid of the event that tells a session's end: the same whoever tells it, so that it is told once."""
    return str(uuid.uuid5(_ENDS, sid))


class Screen(Protocol):
    """Where a party sees the session. `show` never blocks; a screen too slow to follow reports itself full."""

    def show(self, output: bytes) -> None: ...

    @property
    def is_full(self) -> bool: ...


@dataclass
class Party:
    """A person in the session. Only peers type."""

    id: str
    user: str
    login: str
    mode: Mode
    joined: datetime
    screen: Screen
    size: TerminalSize = field(default_factory=TerminalSize)
    remote_address: str = ""


@dataclass
class LiveSession:
    """The parties of a session, the bytes that passed, and the ways to act on it.

    The engine that runs it sets `resize_terminal` and `end`; `show` gives output to every party.
    """

    id: str
    kind: str
    user: str
    login: str
    started: datetime
    resize_terminal: Callable[[TerminalSize], None]
    end: Callable[[str], None]
    command: tuple[str, ...] = ()
    size: TerminalSize = field(default_factory=TerminalSize)
    parties: dict[str, Party] = field(default_factory=dict)
    everyone: list[str] = field(default_factory=list)
    """All users who ever were in it, in order of arrival."""
    bytes_shown: int = 0
    bytes_typed: int = 0

    def admit(self, party: Party) -> None:
        """A party comes in and sees output from now on."""
        self.parties[party.id] = party
        if party.user not in self.everyone:
            self.everyone.append(party.user)

    def leave(self, party_id: str) -> Party | None:
        return self.parties.pop(party_id, None)

    def show(self, output: bytes) -> None:
        self.bytes_shown += len(output)
        for party in self.parties.values():
            party.screen.show(output)

    def resize(self, size: TerminalSize) -> bool:
        """A peer's terminal changed. True when the session's size did."""
        if size == self.size:
            return False
        self.size = size
        self.resize_terminal(size)
        return True
