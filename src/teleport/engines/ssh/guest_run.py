"""Somebody else's stay in a session of this host: what they see, what they may do, until they leave or it ends."""

from __future__ import annotations

import asyncio
import uuid

from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.exit_status import FAILED
from teleport.engines.ssh.presence import RULE as PRESENCE_RULE
from teleport.engines.ssh.presence import Presence
from teleport.policy.moderation import Mode
from teleport.session.live import LiveSession, Party
from teleport.wire.terminal import TerminalSize

WINDOW = 256 << 10
"""Bytes that may wait in a guest's own channel; the rest waits in the session's one backlog."""
KEYS: dict[Mode, str] = {
    "observer": "Ctrl-C leaves",
    "moderator": "t ends the session, Ctrl-C leaves",
    "peer": "what you type counts; Enter ~ . leaves",
}


class GuestRun:
    """A guest's channel: the run it serves, and the screen of a party in the session."""

    borrows_input = False

    def __init__(self, channel: SessionChannel, live: LiveSession, mode: Mode) -> None:
        visit = channel.visit
        identity = visit.identity
        self._channel = channel
        self._live = live
        self._presence = Presence(visit, mode)
        self._left: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._party = Party(
            str(uuid.uuid4()), identity.username, mode, visit.post.clock.now(), self, tuple(identity.roles),
            {name: tuple(values) for name, values in identity.traits.items()},
            ":".join(map(str, visit.connection.client_address)),
        )  # fmt: skip

    async def run(self) -> None:
        """Raises NotFound when the session has just ended."""
        visit, live, mode = self._channel.visit, self._live, self._party.mode
        live.admit(self._party)
        visit.screens.add(self.leave)
        watch = self._watch_presence()
        try:
            if (event := visit.audit.session_joined(live)) is not None:
                live.note(event)
            self.tell(f"this is the session of {live.user}, you are {mode}: {KEYS[mode]}. Size {live.size}")
            if watch is not None:
                self.tell(PRESENCE_RULE)
            if live.command:
                self.tell(f"it is for the command: {' '.join(live.command)}")
            if not live.is_running:
                self.tell("the session does not run now, it waits for others")
            self._channel.begin(self)
            status = await self._left
        finally:
            visit.screens.discard(self.leave)
            if watch is not None:
                watch.cancel()
                visit.presences.pop(live.id, None)
            self.leave("")
        self._channel.exit(status)

    def _watch_presence(self) -> asyncio.Task[None] | None:
        if not self._presence.is_watched:
            return None
        visit = self._channel.visit
        visit.presences[self._live.id] = self._presence.prove
        return visit.tasks.start(self._presence.watch(self.leave), "presence")

    # -- session.live.Screen

    @property
    def room(self) -> int:
        return max(0, WINDOW - self._channel.channel.get_write_buffer_size()) if self._channel.is_open else 0

    def show(self, output: bytes) -> None:
        self._channel.show(output)

    def tell(self, text: str) -> None:
        self._channel.tell(f"teleport: {text}")

    def drop(self) -> None:
        self.leave("you are too far behind what the session shows")

    def conclude(self, reason: str) -> None:
        self._part(reason, 0)

    def leave(self, reason: str) -> None:
        """By their own wish when there is no reason."""
        self._part(reason, FAILED if reason else 0)

    def _part(self, reason: str, status: int) -> None:
        if self._left.done():
            return
        self._left.set_result(status)
        if reason:
            self.tell(reason)
        self._live.leave(self._party)
        if (event := self._channel.visit.audit.session_left(self._live)) is not None:
            self._live.note(event)

    # -- engines.ssh.channel.Run

    def take_input(self, data: bytes) -> None:
        self._live.type(self._party, data)

    def end_input(self) -> None:
        """They go on watching."""

    def resize(self, size: TerminalSize) -> None:
        """The owner's terminal counts."""

    def signal(self, number: int) -> None:
        """Keys are all that a guest has."""

    def hold_output(self) -> None:
        """`room` tells."""

    def release_output(self) -> None:
        """`room` tells."""

    def lose_client(self) -> None:
        self.leave("")
