"""A program of this host without a terminal: three pipes. Also our servers of files."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from teleport.engines.kernel_recording.recorder import Watch
from teleport.engines.ssh.backend import Screens, Wish
from teleport.engines.ssh.exit_status import FAILED
from teleport.engines.ssh.hang_up import HangUp
from teleport.engines.ssh.host_users import HostUser, invocation
from teleport.engines.ssh.kernel_watch import watch_session
from teleport.engines.ssh.opening import Opening
from teleport.engines.ssh.pam import pam_request
from teleport.engines.ssh.spawner import Process, Spawner
from teleport.engines.ssh.streams import INPUT_ROOM, OUTPUT_ROOM, DescriptorReader, DescriptorWriter, open_pipes
from teleport.engines.ssh.surroundings import session_environment
from teleport.engines.ssh.visit import Visit
from teleport.wire.terminal import TerminalSize

PARTING = 2.0


class PipeProgram:
    """A `backend.Program` that runs the user's shell, or serves files as the user."""

    def __init__(self, visit: Visit, wish: Wish, screens: Screens, spawner: Spawner, user: HostUser) -> None:
        self._visit = visit
        self._wish = wish
        self._screens = screens
        self._spawner = spawner
        self._user = user
        self._hang_up = HangUp()
        self._process: Process | None = None
        self._watch: Watch | None = None
        self._input: DescriptorWriter | None = None
        self._output: DescriptorReader | None = None
        self._errors: DescriptorReader | None = None

    async def start(self, sid: str, size: TerminalSize) -> None:
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = open_pipes(3)
        try:
            self._process = await self._launch(sid, (stdin, stdout, stderr))
        except BaseException:
            for descriptor in (to_stdin, from_stdout, from_stderr):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)
        screens = self._screens
        self._input = DescriptorWriter(to_stdin, screens.pause_typing, screens.resume_typing, room=INPUT_ROOM)
        self._output = DescriptorReader(from_stdout, screens.show, room=OUTPUT_ROOM)
        self._errors = DescriptorReader(from_stderr, screens.show_error)

    async def _launch(self, sid: str, descriptors: tuple[int, int, int]) -> Process:
        visit = self._visit
        self._watch = watch_session(visit, sid, self._screens.note_event, self._warn_of_kernel)
        cgroup = str(self._watch.folder) if self._watch is not None else ""
        if self._wish.copy is not None:
            return await self._wish.copy.launch(self._spawner, self._user, descriptors, cgroup)
        pam = pam_request(visit.admission, self._user, visit.connection.client_address[0])
        path, argv = invocation(self._user, self._wish.command, self._wish.words)
        environment = session_environment(self._visit, self._wish, self._user, sid)
        opening = Opening(reads_environment=visit.permit_user_environment and not self._wish.words)
        return await self._spawner.run(
            path, argv, environment, self._user, descriptors,
            is_terminal=False, pam=pam, opening=opening, cgroup=cgroup,
        )  # fmt: skip

    def _warn_of_kernel(self, reason: str, must_end: bool) -> None:
        self._screens.show_error(f"teleport: {reason}\n".encode())
        if must_end:
            self.hang_up()

    @property
    def is_started(self) -> bool:
        return self._input is not None

    @property
    def is_lost(self) -> bool:
        return self._hang_up.has_come

    def type(self, data: bytes) -> None:
        if self._input is not None:
            self._input.write(data)

    def end_typing(self) -> None:
        if self._input is not None:
            self._input.end()

    def discard_typed(self) -> None:
        if self._input is not None:
            self._input.discard()

    def resize(self, size: TerminalSize) -> None:
        """There is no terminal."""

    def hold(self, reason: str) -> None:
        for reader in (self._output, self._errors):
            if reader is not None:
                reader.hold(reason)

    def release(self, reason: str) -> None:
        for reader in (self._output, self._errors):
            if reader is not None:
                reader.release(reason)

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(number)

    def hang_up(self) -> None:
        self._hang_up.come()
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        self.close()

    async def unless_lost(self, waiting: asyncio.Task[Any]) -> bool:
        return not await self._hang_up.cuts_short(waiting)

    async def wait(self) -> int | None:
        """The program has ended, and everything that holds its output; or the client has gone."""
        process, output, errors = self._process, self._output, self._errors
        assert process is not None
        assert output is not None
        assert errors is not None
        awaited: set[asyncio.Future[Any]] = {process.exited, output.ended, errors.ended}
        while awaited and not self._hang_up.has_come:
            await asyncio.wait({*awaited, self._hang_up.future}, return_when=asyncio.FIRST_COMPLETED)
            awaited = {one for one in awaited if not one.done()}
        if not process.exited.done():
            await asyncio.wait({process.exited}, timeout=PARTING)
        return process.exited.result() if process.exited.done() else FAILED

    def close(self) -> None:
        if self._watch is not None:
            self._watch.leave()
        for stream in (self._input, self._output, self._errors):
            if stream is not None:
                stream.close()
