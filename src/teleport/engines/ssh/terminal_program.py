"""A program on a terminal: started as a host user, typed into, read from, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.spawner import Process, Spawner
from teleport.engines.ssh.streams import DescriptorReader, DescriptorWriter
from teleport.engines.ssh.terminal import Terminal
from teleport.wire.terminal import TerminalSize

PARTING = 2.0
"""Seconds a hung-up shell is given to end, so that how it ended is known."""


class TerminalProgram:
    """Runs once. `show` is given its output, as fast as nobody holds it; `pause` and `resume` whoever types."""

    def __init__(self, show: Callable[[bytes], None], pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._show = show
        self._pause_typing = pause
        self._resume_typing = resume
        self._terminal: Terminal | None = None
        self._process: Process | None = None
        self._input: DescriptorWriter | None = None
        self._output: DescriptorReader | None = None
        self._holds: set[str] = set()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(
        self,
        spawner: Spawner,
        program: tuple[str, Sequence[str]],
        environment: Callable[[str], Mapping[str, str]],
        user: HostUser,
        size: TerminalSize,
        modes: Mapping[int, int],
    ) -> None:
        """`environment` is asked with the terminal's name. Raises Unavailable."""
        self._terminal = terminal = Terminal(user, size, modes)
        path, argv = program
        try:
            variables = environment(terminal.name)
            self._process = await spawner.run(path, argv, variables, user, (terminal.slave,) * 3, is_terminal=True)
        except BaseException:
            os.close(terminal.master)
            raise
        finally:
            terminal.close_slave()
        self._input = DescriptorWriter(os.dup(terminal.master), self._pause_typing, self._resume_typing)
        self._output = DescriptorReader(terminal.master, self._show, is_terminal=True)
        for reason in self._holds:
            self._output.hold(reason)
        if self._lost.done():
            self.hang_up()

    @property
    def is_started(self) -> bool:
        return self._input is not None

    def type(self, data: bytes) -> None:
        if self._input is not None:
            self._input.write(data)

    def discard_typed(self) -> None:
        """What the program has not taken yet is forgotten."""
        if self._input is not None:
            self._input.discard()

    def resize(self, size: TerminalSize) -> None:
        if self._terminal is not None and self._output is not None and not self._output.ended.done():
            self._terminal.resize(size)

    def hold(self, reason: str) -> None:
        """Read no output until every reason has been released."""
        self._holds.add(reason)
        if self._output is not None:
            self._output.hold(reason)

    def release(self, reason: str) -> None:
        self._holds.discard(reason)
        if self._output is not None:
            self._output.release(reason)

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(number)

    def hang_up(self) -> None:
        """End it, or keep it from ever starting to be waited for."""
        if not self._lost.done():
            self._lost.set_result(None)
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        self.close()

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    async def unless_lost(self, waiting: asyncio.Task[Any]) -> bool:
        """Wait for something else before the start. False when the program was hung up in the meantime."""
        try:
            await asyncio.wait({waiting, self._lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return not self._lost.done()

    async def wait(self) -> int | None:
        """How it ended, once all it showed was read; None where that is not known."""
        assert self._process is not None
        assert self._output is not None
        exited, ended = self._process.exited, self._output.ended
        awaited: set[asyncio.Future[Any]] = {exited, self._lost}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            await asyncio.wait({exited}, timeout=PARTING)
            return exited.result() if exited.done() else None
        status = exited.result()
        if not ended.done():
            # programs may still hold the terminal; what they write from here on has no reader
            self._output.finish()
            awaited = {ended, self._lost}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        return status

    def close(self) -> None:
        for stream in (self._input, self._output):
            if stream is not None:
                stream.close()
