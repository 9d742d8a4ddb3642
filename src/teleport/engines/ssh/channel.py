"""A session channel: hears what the client asks for, and hands the work to a run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import asyncssh

from teleport.engines.ssh.backend import SFTP, TerminalRequest
from teleport.engines.ssh.displays import DisplayRequest, OfferedDisplay
from teleport.engines.ssh.exit_status import FAILED, signal_name, signal_number
from teleport.engines.ssh.file_copy import FileCopy
from teleport.engines.ssh.visit import Visit
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.policy.moderation import Requirement
from teleport.wire import session_words
from teleport.wire.terminal import TerminalSize

log = get_logger("ssh")


class Run(Protocol):
    """What a channel runs. Everything but `run` returns at once.

    `borrows_input`: what `take_input` is given changes afterwards; who keeps some of it copies it.
    """

    borrows_input: bool

    async def run(self) -> None: ...

    def take_input(self, data: bytes) -> None: ...

    def end_input(self) -> None: ...

    def resize(self, size: TerminalSize) -> None: ...

    def signal(self, number: int) -> None: ...

    def hold_output(self) -> None: ...

    def release_output(self) -> None: ...

    def lose_client(self) -> None:
        """The client is gone: end what runs."""
        ...


class SessionChannel(asyncssh.SSHServerSession[bytes]):
    """One session request of a client: a shell, a command or a subsystem, with or without a terminal."""

    def __init__(self, visit: Visit, choose_run: Callable[[SessionChannel], Run]) -> None:
        self.visit = visit
        self._choose_run = choose_run
        self.terminal: TerminalRequest | None = None
        self.command: str | None = None
        self.subsystem = ""
        self.words: Sequence[str] = ()
        self.copy: FileCopy | None = None
        self.required: Callable[[], Sequence[Requirement]] = lambda: visit.admission.required
        """Who must be present in this session, as things stand."""
        self.objection: Callable[[], str] = lambda: ""
        """Why it may not go on, as things stand; empty when it may."""
        self.said: Mapping[str, str] = {}
        self.channel: Any = None
        self.display: OfferedDisplay | None = None
        self._run: Run | None = None
        self._is_lost = False
        self._input_ended = False
        self._early: list[bytes] = []

    @property
    def borrows_input(self) -> bool:
        """See `Run`."""
        return self._run is not None and self._run.borrows_input

    # -- what asyncssh tells

    def connection_made(self, chan: Any) -> None:
        self.channel = chan
        chan.set_write_buffer_limits(high=512 << 10, low=128 << 10)

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self.terminal = TerminalRequest(term_type[:64], TerminalSize.of(term_size[0], term_size[1]), term_modes)
        return True

    async def display_requested(self, is_single: bool, protocol: bytes, cookie: bytes, screen: int) -> bool:
        """The cookie is hexadecimal text, as it came."""
        if self.display is not None or self.visit.displays is None:
            return False
        try:
            request = DisplayRequest(protocol, bytes.fromhex(cookie.decode("ascii")), screen, is_single)
        except ValueError:
            request = DisplayRequest(protocol, b"", screen, is_single)
        self.display = await self.visit.displays.open(request)
        if self._is_lost:
            self._close_display()
        return self.display is not None

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self.command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self.subsystem = subsystem
        if subsystem != SFTP:
            self.visit.audit.subsystem_failed(subsystem, "no such subsystem")
            return False
        return True

    def session_started(self) -> None:
        self.visit.tasks.start(self._serve(), "session")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.visit.touch()
        self.visit.audit.received += len(data)
        if self._run is None:
            self._early.append(data)
        else:
            self._run.take_input(data)

    def eof_received(self) -> bool:
        self._input_ended = True
        if self._run is not None:
            self._run.end_input()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        size = TerminalSize.of(width, height)
        if self.terminal is not None:
            self.terminal.size = size
        if self._run is not None:
            self._run.resize(size)

    def signal_received(self, signal: str) -> None:
        number = signal_number(signal)
        if number and self._run is not None:
            self._run.signal(number)

    def break_received(self, msec: int) -> bool:
        if self.terminal is not None and self._run is not None:
            self._run.signal(signal.SIGINT)
            return True
        return False

    def pause_writing(self) -> None:
        if self._run is not None:
            self._run.hold_output()

    def resume_writing(self) -> None:
        if self._run is not None:
            self._run.release_output()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._close_display()
        self.visit.sessions -= 1
        if self._run is not None:
            self._run.lose_client()

    def _close_display(self) -> None:
        if self.display is not None:
            self.display.close()
            self.display = None

    # -- what a run does with its channel

    def begin(self, run: Run) -> None:
        """The run can take input now, and what came before."""
        self._run = run
        early, self._early = self._early, []
        for data in early:
            run.take_input(data)
        if self._input_ended:
            run.end_input()
        if self._is_lost:
            run.lose_client()

    def sent_variables(self) -> dict[str, str]:
        """All that the client sent, also what is meant for us."""
        return {str(name): str(value) for name, value in self.channel.get_environment().items()}

    def variables(self) -> dict[str, str]:
        sent = self.sent_variables().items()
        return {**{name: value for name, value in sent if name not in session_words.VARIABLES}, **self.said}

    def force(self, command: str) -> None:
        """Run this instead; what was asked for stands in a variable, as with other servers."""
        self.said = {"SSH_ORIGINAL_COMMAND": self.command or ""}
        self.command = command

    @property
    def is_open(self) -> bool:
        return not self._is_lost and not self.channel.is_closing()

    def show(self, output: bytes) -> None:
        if self.is_open:
            self.visit.touch()
            self.visit.audit.sent += len(output)
            self.channel.write(output)

    def show_error(self, output: bytes) -> None:
        if self.is_open:
            self.channel.write_stderr(output)

    def tell(self, text: str) -> None:
        """A message from us to the person."""
        if self.terminal is not None:
            self.show(f"\r\n{text}\r\n".encode())
        else:
            self.show_error(f"{text}\n".encode())

    def exit(self, status: int) -> None:
        """A status, or the negative number of a signal."""
        if not self.is_open:
            return
        if status < 0:
            self.channel.exit_with_signal(signal_name(-status))
        else:
            self.channel.exit(status)

    async def _serve(self) -> None:
        try:
            await self._choose_run(self).run()
        except TeleportError as error:
            self.tell(f"teleport: {error}")
            self.exit(FAILED)
        except Exception:
            self.exit(FAILED)
            raise
        finally:
            if self.is_open:
                self.exit(FAILED)
