"""A program on another host, with a terminal or without: a session channel to its SSH server."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh

from teleport.engines.ssh.backend import Screens, Wish
from teleport.engines.ssh.exit_status import signal_name, signal_number
from teleport.engines.ssh.hang_up import HangUp
from teleport.engines.ssh.remote_connection import RemoteChannel, RemoteConnection
from teleport.engines.ssh.remote_displays import RemoteDisplay
from teleport.foundation.errors import Unavailable
from teleport.wire.terminal import TerminalSize

PARTING = 2.0
"""Seconds a hung-up program is given to end, so that how it ended is known."""
_UNKNOWN_SIGNAL = 1


class RemoteProgram(asyncssh.SSHClientSession[bytes]):
    """A `backend.Program`."""

    def __init__(
        self,
        reach: Callable[[], Awaitable[RemoteConnection]],
        wish: Wish,
        screens: Screens,
        forwards_agent: Callable[[], bool],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._reach = reach
        self._wish = wish
        self._screens = screens
        self._forwards_agent = forwards_agent
        self._channel: RemoteChannel | None = None
        self._status: int | None = None
        self._holds: set[str] = set()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._hang_up = HangUp()

    async def start(self, sid: str, size: TerminalSize) -> None:
        wish = self._wish
        terminal = None
        if wish.terminal is not None and not wish.subsystem:
            terminal = (wish.terminal.kind, (size.columns, size.rows), wish.terminal.modes)
        ours = ("env", *(f"{name}={value}" for name, value in wish.said.items())) if wish.said else ()
        command = shlex.join((*ours, *wish.words)) if wish.words else wish.command
        display = wish.display if isinstance(wish.display, RemoteDisplay) else None
        link = await self._reach()
        try:
            self._channel = await link.open_program(
                self, command=command, subsystem=wish.subsystem, variables=wish.variables(), terminal=terminal,
                forwards_agent=self._forwards_agent(), display=display.request if display is not None else None,
            )  # fmt: skip
        except (asyncssh.Error, OSError) as error:
            reason = getattr(error, "reason", "") or str(error)
            raise Unavailable(f"the server does not start it: {reason}") from error
        if display is not None and (said := display.settle(is_open=self._channel.display is not None)):
            self._screens.show_error(f"teleport: {said}\n".encode())
        if self._holds:
            self._channel.pause_reading()
        if self._hang_up.has_come:
            self.hang_up()

    # -- what the server says: asyncssh.SSHClientSession

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            self._screens.show(data)
        else:
            self._screens.show_error(data)

    def eof_received(self) -> bool:
        return True  # it may still read

    def exit_status_received(self, status: int) -> None:
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._status = -(signal_number(signal) or _UNKNOWN_SIGNAL)

    def pause_writing(self) -> None:
        self._screens.pause_typing()

    def resume_writing(self) -> None:
        self._screens.resume_typing()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    # -- engines.ssh.backend.Program

    @property
    def is_started(self) -> bool:
        return self._channel is not None

    @property
    def is_lost(self) -> bool:
        return self._hang_up.has_come

    def type(self, data: bytes) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data)

    def end_typing(self) -> None:
        if self._channel is not None and not self._channel.is_closing() and self._wish.terminal is None:
            self._channel.write_eof()

    def discard_typed(self) -> None:
        """What the server has not taken yet: the rest is on its way already."""
        if self._channel is not None:
            self._channel.forget_unsent()

    def resize(self, size: TerminalSize) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.change_terminal_size(size.columns, size.rows)

    def hold(self, reason: str) -> None:
        self._holds.add(reason)
        if self._channel is not None:
            self._channel.pause_reading()

    def release(self, reason: str) -> None:
        self._holds.discard(reason)
        if self._channel is not None and not self._holds:
            self._channel.resume_reading()

    def signal(self, number: int) -> None:
        if self._channel is not None and not self._channel.is_closing():
            with contextlib.suppress(OSError):
                self._channel.send_signal(signal_name(number))

    def hang_up(self) -> None:
        self._hang_up.come()
        self.signal(_UNKNOWN_SIGNAL)
        self.close()

    async def unless_lost(self, waiting: asyncio.Task[Any]) -> bool:
        return not await self._hang_up.cuts_short(waiting)

    async def wait(self) -> int | None:
        awaited: set[asyncio.Future[Any]] = {self._ended, self._hang_up.future}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if not self._ended.done():
            await asyncio.wait({self._ended}, timeout=PARTING)
        return self._status

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
