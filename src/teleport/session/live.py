"""One running session with its parties: who sees the output, whose input counts, and whether it may run at all.

The owner's screen sets the pace; everybody else watches through the broadcast. Where roles of the owner require
others to be present, the session is pending until they are: what is typed meanwhile is thrown away, nothing is shown.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from teleport.foundation.errors import LimitExceeded, NotFound
from teleport.model.events.base import Event
from teleport.policy import moderation
from teleport.policy.decision import Decision
from teleport.policy.moderation import Assessment, Mode, Requirement
from teleport.session.broadcast import Broadcast, Watcher
from teleport.wire.session_words import Purpose
from teleport.wire.terminal import TerminalSize

State = Literal["pending", "running", "ended"]

MAX_PARTIES = 64
CTRL_C = b"\x03"
TERMINATE = b"t"
_ENDS = uuid.UUID("6f1a2f9c-43cf-5b0e-9a57-2d9d0d7f8a11")


def end_event_id(sid: str) -> str:
    """The uid of the event that tells a session's end: the same whoever tells it, so that it is told once."""
    return str(uuid.uuid5(_ENDS, sid))


class Screen(Watcher, Protocol):
    """Where a party sees the session."""

    def tell(self, text: str) -> None:
        """A message from us."""
        ...

    def leave(self, reason: str) -> None:
        """The party is out: by its own wish (no reason), or because it may not stay."""
        ...

    def conclude(self, reason: str) -> None:
        """The session is over."""
        ...


class Stage(Protocol):
    """What runs the session. Nothing here waits or fails."""

    def type(self, data: bytes) -> None: ...

    def apply_size(self, size: TerminalSize) -> None: ...

    def show(self, output: bytes) -> None:
        """On the owner's screen alone."""
        ...

    def tell(self, text: str) -> None:
        """Tell the owner."""
        ...

    def pause(self) -> None:
        """Show no more of the program, throw away what was typed for it."""
        ...

    def resume(self) -> None: ...

    def note(self, event: Event) -> None:
        """To be seen in the replay."""
        ...

    def end(self, reason: str) -> None: ...

    def tell_cluster(self) -> None:
        """Parties or state have changed."""
        ...


@dataclass(eq=False)
class Party:
    """A person in the session. Peers type; the owner, whose screen is the stage's own, has none here."""

    id: str
    user: str
    mode: Mode
    joined: datetime
    screen: Screen | None = None
    roles: tuple[str, ...] = ()
    traits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    remote_address: str = ""

    @property
    def is_owner(self) -> bool:
        return self.screen is None


class LiveSession:
    """The parties of a session, and the ways to act on it. The stage calls `show`, `resize` and `close`.

    `required` tells at any time what roles require of those present.
    """

    def __init__(
        self,
        sid: str,
        owner: Party,
        stage: Stage,
        *,
        login: str,
        size: TerminalSize,
        command: tuple[str, ...] = (),
        required: Callable[[], Sequence[Requirement]] = tuple,
        purpose: Purpose = Purpose(),  # noqa: B008 - cannot change
    ) -> None:
        self.id = sid
        self.owner = owner
        self.login = login
        self.command = command
        self.started = owner.joined
        self.size = size
        self.parties: dict[str, Party] = {owner.id: owner}
        self.everyone = [owner.user]
        """All users who ever were in it, in order of arrival."""
        self.state: State = "pending"
        self.has_begun = False
        """Whether it ever ran."""
        self.has_waited = False
        self.bytes_shown = 0
        self.bytes_typed = 0
        self.required = required
        self.purpose = purpose
        self._stage = stage
        self._broadcast = Broadcast()
        self._told = 0
        self._may_run = asyncio.Event()

    def open(self) -> None:
        """The owner has come: run, or wait for those who are required."""
        found = self.assess()
        if self.purpose.shows_required:
            self._stage.tell(moderation.describe(self.required()))
        if found.is_fulfilled:
            self._run()
        else:
            self._wait(found)

    @property
    def user(self) -> str:
        return self.owner.user

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    def next_index(self) -> int:
        """The number of the next event in the log of this session."""
        self._told += 1
        return self._told - 1

    # -- coming and going

    def admit(self, party: Party) -> None:
        """A party comes in and sees output from now on. Raises NotFound, LimitExceeded."""
        if self.state == "ended":
            raise NotFound("the session has ended")
        if len(self.parties) >= MAX_PARTIES:
            raise LimitExceeded(f"{MAX_PARTIES} people in one session are the most")
        assert party.screen is not None, "only the owner has no screen"
        self._broadcast.add(party.screen)
        self.parties[party.id] = party
        if party.user not in self.everyone:
            self.everyone.append(party.user)
        self.tell(f"{party.user} joined as {party.mode}. Present: {self.people()}")
        self._reassess()
        self._stage.tell_cluster()

    def leave(self, party: Party) -> None:
        """Its screen shows nothing more. Nothing happens when it has left already, or with the whole session."""
        if self.parties.get(party.id) is not party or party.is_owner:
            return
        del self.parties[party.id]
        assert party.screen is not None
        self._broadcast.remove(party.screen)
        if self.state == "ended":
            return
        self.tell(f"{party.user} ({party.mode}) left. Present: {self.people()}")
        self._reassess()
        self._stage.tell_cluster()

    def people(self) -> str:
        return ", ".join(f"{party.user} ({party.mode})" for party in self.parties.values())

    # -- whether it may run

    async def until_running(self) -> None:
        """Waits while others are missing; for ever once the session has ended."""
        await self._may_run.wait()

    def reassess(self) -> None:
        """What is required may have changed."""
        if self.state != "ended":
            self._reassess()
            self._stage.tell_cluster()

    def assess(self) -> Assessment:
        present = (
            moderation.Party(user=one.user, roles=one.roles, traits=one.traits, mode=one.mode)
            for one in self.parties.values()
        )
        return moderation.assess(self.required(), self.user, present)

    def _reassess(self) -> None:
        found = self.assess()
        if found.is_fulfilled:
            if self.state == "pending":
                self._run()
        elif self.state == "running":
            self._suspend(found)

    def _run(self) -> None:
        self.state = "running"
        self._may_run.set()
        if self.has_waited:
            self.tell(f"everybody who is required is here: the session {'goes on' if self.has_begun else 'begins'}")
            self._stage.resume()

    def begin(self) -> None:
        """The stage has been given leave to run, and does."""
        self.has_begun = True

    def _suspend(self, found: Assessment) -> None:
        if self.has_begun and found.on_leave == "terminate":
            self._stage.end("somebody who is required has left")
            return
        self._wait(found)

    def _wait(self, found: Assessment) -> None:
        self.state, self.has_waited = "pending", True
        self._may_run.clear()
        missing = " ".join(Decision(allowed=False, reason=one).message_for_user() for one in found.unmet)
        self.tell(
            f"the session {'is paused' if self.has_begun else 'waits'}, what you type is thrown away. {missing}"
        )
        self._stage.pause()

    # -- what passes

    def show(self, output: bytes) -> None:
        self.bytes_shown += len(output)
        self._stage.show(output)
        self._broadcast.write(output)

    def tell(self, text: str) -> None:
        """Everybody, the owner too. It is no part of the recording."""
        self._stage.tell(text)
        for party in self.parties.values():
            if party.screen is not None:
                party.screen.tell(text)

    def type(self, party: Party, data: bytes) -> None:
        """What a party typed: input, a command to the session, or nothing."""
        if self.parties.get(party.id) is not party or self.state == "ended":
            return
        if party.mode != "peer" or (self.state == "pending" and not self.has_begun):
            self._command(party, data)
        elif self.state == "running":
            self.bytes_typed += len(data)
            self._stage.type(data)

    def _command(self, party: Party, data: bytes) -> None:
        if CTRL_C in data:
            if party.screen is not None:
                party.screen.leave("")
            else:
                self._stage.end("the wait was broken off")
        elif party.mode == "moderator" and data and not data.strip(TERMINATE):
            # a key by itself: the answers of terminals to what programs ask them also end in a `t`
            self._stage.end(f"terminated by {party.user}")

    def note(self, event: Event) -> None:
        self._stage.note(event)

    def resize(self, size: TerminalSize) -> bool:
        """The owner's terminal changed. True when the session's size did."""
        if size == self.size:
            return False
        self.size = size
        self._stage.apply_size(size)
        return True

    def end(self, reason: str) -> None:
        """From outside."""
        if self.state != "ended":
            self._stage.end(reason)

    def close(self, reason: str) -> None:
        """It is over: everybody is shown the rest and sent away."""
        self.state = "ended"
        self._may_run.clear()
        self._broadcast.finish()
        for party in tuple(self.parties.values()):
            if party.screen is not None:
                party.screen.conclude(f"the session has ended{f': {reason}' if reason else ''}")
        self.parties.clear()
