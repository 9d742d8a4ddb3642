"""A command or subsystem without a terminal: three pipes, and an audit event when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Any, Protocol

from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.exit_status import FAILED
from teleport.engines.ssh.spawner import Process
from teleport.engines.ssh.streams import DescriptorReader, DescriptorWriter, open_pipes
from teleport.engines.ssh.surroundings import session_environment
from teleport.foundation.errors import TeleportError
from teleport.wire.terminal import TerminalSize

PARTING = 2.0


class Tap(Protocol):
    """Listens to both directions, to tell what is done; it changes nothing and never fails."""

    def hear_client(self, data: bytes) -> None: ...

    def hear_server(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class PipeRun:
    """Runs one program, or for None our SFTP server. The channel ends when it has, and all its output was sent."""

    def __init__(
        self,
        channel: SessionChannel,
        sid: str,
        program: tuple[str, Sequence[str]] | None,
        tap: Tap | None = None,
        *,
        subsystem: str = "",
    ) -> None:
        self._channel = channel
        self._sid = sid
        self._program = program
        self._tap = tap
        self._subsystem = subsystem
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_waiting = False
        self._process: Process | None = None
        self._input: DescriptorWriter | None = None
        self._output: DescriptorReader | None = None
        self._errors: DescriptorReader | None = None

    async def run(self) -> None:
        visit = self._channel.visit
        leave = self._on_leave
        visit.screens.add(leave)
        status = FAILED
        problem = ""
        try:
            self._process = await self._start()
            self._channel.begin(self)
            status = await self._wait()
        except TeleportError as error:
            problem = str(error)
            raise
        finally:
            visit.screens.discard(leave)
            self._close()
            self._audit(status, problem)
        self._channel.exit(status)

    async def _start(self) -> Process:
        channel = self._channel
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = open_pipes(3)
        try:
            process = await self._launch((stdin, stdout, stderr))
        except BaseException:
            for descriptor in (to_stdin, from_stdout, from_stderr):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)
        self._input = DescriptorWriter(to_stdin, channel.channel.pause_reading, channel.channel.resume_reading)
        self._output = DescriptorReader(from_stdout, self._hear_output)
        self._errors = DescriptorReader(from_stderr, channel.show_error)
        return process

    async def _launch(self, descriptors: tuple[int, int, int]) -> Process:
        visit = self._channel.visit
        if self._program is None:
            return await visit.spawner.serve_files(visit.user, descriptors)
        path, argv = self._program
        environment = session_environment(self._channel, self._sid)
        return await visit.spawner.run(path, argv, environment, visit.user, descriptors, is_terminal=False)

    async def _wait(self) -> int:
        """The program has ended, and everything that holds its output; or the client has gone."""
        process, output, errors = self._process, self._output, self._errors
        assert process is not None
        assert output is not None
        assert errors is not None
        awaited: set[asyncio.Future[Any]] = {process.exited, output.ended, errors.ended}
        while awaited and not self._lost.done():
            await asyncio.wait({*awaited, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            awaited = {one for one in awaited if not one.done()}
        if not process.exited.done():
            await asyncio.wait({process.exited}, timeout=PARTING)
        return process.exited.result() if process.exited.done() else FAILED

    def _hear_output(self, data: bytes) -> None:
        if self._tap is not None:
            self._tap.hear_server(data)
        self._channel.show(data)

    def take_input(self, data: bytes) -> None:
        if self._tap is not None:
            self._tap.hear_client(data)
            self._wait_for_the_log()
        if self._input is not None:
            self._input.write(data)

    def _wait_for_the_log(self) -> None:
        """Copies of many files tell many events: take no more requests than the log keeps up with."""
        emitter = self._channel.visit.post.emitter
        if emitter.is_behind and not self._is_waiting:
            self._is_waiting = True
            self._channel.channel.pause_reading()
            self._channel.visit.tasks.start(self._resume_when_told(), "wait for the log")

    async def _resume_when_told(self) -> None:
        await self._channel.visit.post.emitter.caught_up()
        self._is_waiting = False
        if self._channel.is_open:
            self._channel.channel.resume_reading()

    def end_input(self) -> None:
        if self._input is not None:
            self._input.end()

    def resize(self, size: TerminalSize) -> None:
        """There is no terminal."""

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(number)

    def hold_output(self) -> None:
        for reader in (self._output, self._errors):
            if reader is not None:
                reader.hold("client")

    def release_output(self) -> None:
        for reader in (self._output, self._errors):
            if reader is not None:
                reader.release("client")

    def lose_client(self) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        self._close()

    def _on_leave(self, reason: str) -> None:
        self._channel.tell(f"teleport: {reason}")
        self.lose_client()

    def _close(self) -> None:
        for stream in (self._input, self._output, self._errors):
            if stream is not None:
                stream.close()

    def _audit(self, status: int, problem: str) -> None:
        audit = self._channel.visit.audit
        if self._tap is not None:
            with contextlib.suppress(Exception):
                self._tap.end()
        if self._subsystem:
            audit.subsystem_ended(self._sid, self._subsystem, status, problem)
        else:
            audit.executed(self._sid, self._channel.command or "", status, problem)
