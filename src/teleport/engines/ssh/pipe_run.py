"""A command or subsystem without a terminal: three pipes, and an audit event when it has ended."""

from __future__ import annotations

import contextlib
from typing import Protocol

from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.exit_status import FAILED
from teleport.foundation.errors import TeleportError
from teleport.model.events.base import Event
from teleport.wire.terminal import TerminalSize

_NO_SIZE = TerminalSize()


class Tap(Protocol):
    """Listens to both directions, to tell what is done; it changes nothing and never fails."""

    def hear_client(self, data: bytes) -> None: ...

    def hear_server(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class PipeRun:
    """Runs what the channel asked for. The channel ends when it has, and all its output was sent."""

    def __init__(self, channel: SessionChannel, sid: str, tap: Tap | None = None) -> None:
        self._channel = channel
        self._sid = sid
        self._tap = tap
        self.borrows_input = tap is None
        self._input_holds: set[str] = set()
        if channel.copy is not None:
            channel.copy.on_end = self._on_leave
        self._program = channel.visit.backend.program(channel, self)

    async def run(self) -> None:
        visit = self._channel.visit
        leave = self._on_leave
        visit.screens.add(leave)
        visit.conditions[self] = (self._objection, leave)
        status = FAILED
        problem = ""
        try:
            await self._prepare()
            await self._program.start(self._sid, _NO_SIZE)
            self._channel.begin(self)
            ended = await self._program.wait()
            status = FAILED if ended is None else ended
        except TeleportError as error:
            problem = str(error)
            raise
        finally:
            visit.screens.discard(leave)
            del visit.conditions[self]
            self._program.close()
            self._audit(status, problem)
        self._channel.exit(status)

    def _objection(self) -> str:
        return self._channel.objection() or self._channel.visit.admission.lock_on(self._sid)

    async def _prepare(self) -> None:
        """What has to be known before the start. Raises TeleportError."""

    # -- engines.ssh.backend.Screens

    def show(self, output: bytes) -> None:
        if self._tap is not None:
            self._tap.hear_server(output)
        self._channel.show(output)

    def show_error(self, output: bytes) -> None:
        self._channel.show_error(output)

    def pause_typing(self) -> None:
        self._hold_input("program")

    def resume_typing(self) -> None:
        self._release_input("program")

    def _hold_input(self, reason: str) -> None:
        """Take nothing more from the client until every reason has been released."""
        if not self._input_holds:
            self._channel.channel.pause_reading()
        self._input_holds.add(reason)

    def _release_input(self, reason: str) -> None:
        if reason in self._input_holds:
            self._input_holds.discard(reason)
            if not self._input_holds and self._channel.is_open:
                self._channel.channel.resume_reading()

    def note_event(self, event: Event) -> None:
        """What runs without a terminal has no replay: the log has it."""

    # -- engines.ssh.channel.Run

    def take_input(self, data: bytes) -> None:
        if self._tap is not None:
            self._tap.hear_client(data)
            self._wait_for_the_log()
        self._program.type(data)

    def _wait_for_the_log(self) -> None:
        """Copies of many files tell many events: take no more requests than the log keeps up with."""
        emitter = self._channel.visit.post.emitter
        if emitter.is_behind and "log" not in self._input_holds:
            self._hold_input("log")
            self._channel.visit.tasks.start(self._resume_when_told(), "wait for the log")

    async def _resume_when_told(self) -> None:
        await self._channel.visit.post.emitter.caught_up()
        self._release_input("log")

    def end_input(self) -> None:
        self._program.end_typing()

    def resize(self, size: TerminalSize) -> None:
        """There is no terminal."""

    def signal(self, number: int) -> None:
        self._program.signal(number)

    def hold_output(self) -> None:
        self._program.hold("client")

    def release_output(self) -> None:
        self._program.release("client")

    def lose_client(self) -> None:
        self._program.hang_up()

    def _on_leave(self, reason: str) -> None:
        self._channel.tell(f"teleport: {reason}")
        self.lose_client()

    def _audit(self, status: int, problem: str) -> None:
        audit = self._channel.visit.audit
        if self._channel.copy is not None:
            self._channel.copy.end()
        if self._tap is not None:
            with contextlib.suppress(Exception):
                self._tap.end()
        if self._channel.subsystem:
            audit.subsystem_ended(self._sid, self._channel.subsystem, status, problem)
        else:
            audit.executed(self._sid, self._channel.command or "", status, problem)
