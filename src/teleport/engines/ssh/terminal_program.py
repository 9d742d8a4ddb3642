"""A program on a terminal of this host: started as a host user, typed into, read from, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from teleport.engines.kernel_recording.recorder import Watch
from teleport.engines.ssh.backend import Screens, Wish
from teleport.engines.ssh.hang_up import HangUp
from teleport.engines.ssh.host_users import HostUser, invocation
from teleport.engines.ssh.kernel_watch import watch_session
from teleport.engines.ssh.login_records import LoginRecord
from teleport.engines.ssh.opening import Opening
from teleport.engines.ssh.pam import pam_request
from teleport.engines.ssh.spawner import Process, Spawner
from teleport.engines.ssh.streams import DescriptorReader, DescriptorWriter
from teleport.engines.ssh.surroundings import session_environment
from teleport.engines.ssh.terminal import Terminal
from teleport.engines.ssh.visit import Visit
from teleport.wire.terminal import TerminalSize

PARTING = 2.0
"""Seconds a hung-up shell is given to end, so that how it ended is known."""


class TerminalProgram:
    """A `backend.Program` that runs the user's shell."""

    def __init__(self, visit: Visit, wish: Wish, screens: Screens, spawner: Spawner, user: HostUser) -> None:
        assert wish.terminal is not None
        self._visit = visit
        self._wish = wish
        self._modes = wish.terminal.modes
        self._screens = screens
        self._spawner = spawner
        self._user = user
        self._terminal: Terminal | None = None
        self._process: Process | None = None
        self._record: LoginRecord | None = None
        self._watch: Watch | None = None
        self._input: DescriptorWriter | None = None
        self._output: DescriptorReader | None = None
        self._holds: set[str] = set()
        self._hang_up = HangUp()

    async def start(self, sid: str, size: TerminalSize) -> None:
        self._terminal = terminal = Terminal(self._user, size, self._modes)
        path, argv = invocation(self._user, self._wish.command, self._wish.words)
        try:
            visit, user = self._visit, self._user
            variables = session_environment(visit, self._wish, user, sid, terminal.name)
            pam = pam_request(visit.admission, user, visit.connection.client_address[0], terminal.name)
            record = LoginRecord(
                visit.post.offers.login_files, terminal.name, user.name, user.uid, visit.connection.client_address[0]
            )
            opening = await self._opening(record, greets_by_pam=pam is not None)
            self._watch = watch_session(visit, sid, self._screens.note_event, self._warn_of_kernel)
            self._process = await self._spawner.run(
                path, argv, variables, user, (terminal.slave,) * 3, is_terminal=True, pam=pam, opening=opening,
                cgroup=str(self._watch.folder) if self._watch is not None else "",
            )  # fmt: skip
            await asyncio.to_thread(record.begin, self._process.pid, visit.post.clock.now().timestamp())
            self._record = record
        except BaseException:
            os.close(terminal.master)
            raise
        finally:
            terminal.close_slave()
        self._input = DescriptorWriter(
            os.dup(terminal.master), self._screens.pause_typing, self._screens.resume_typing
        )
        self._output = DescriptorReader(terminal.master, self._screens.show, is_terminal=True)
        for reason in self._holds:
            self._output.hold(reason)
        if self._hang_up.has_come:
            self.hang_up()

    async def _opening(self, record: LoginRecord, *, greets_by_pam: bool) -> Opening:
        reads_environment = self._visit.permit_user_environment and not self._wish.words
        if self._wish.command is not None:
            return Opening(reads_environment=reads_environment)
        last = await asyncio.to_thread(record.last)
        greetings = () if greets_by_pam else self._visit.post.offers.login_files.greetings
        return Opening(str(last or ""), greetings, reads_environment)

    def _warn_of_kernel(self, reason: str, must_end: bool) -> None:
        self._screens.show(f"\r\nteleport: {reason}\r\n".encode())
        if must_end:
            self.hang_up()

    @property
    def is_started(self) -> bool:
        return self._input is not None

    def type(self, data: bytes) -> None:
        if self._input is not None:
            self._input.write(data)

    def end_typing(self) -> None:
        """A terminal has no end of input: what reads it goes on, as with other servers."""

    def discard_typed(self) -> None:
        if self._input is not None:
            self._input.discard()

    def resize(self, size: TerminalSize) -> None:
        if self._terminal is not None and self._output is not None and not self._output.ended.done():
            self._terminal.resize(size)

    def hold(self, reason: str) -> None:
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
        self._hang_up.come()
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        self.close()

    @property
    def is_lost(self) -> bool:
        return self._hang_up.has_come

    async def unless_lost(self, waiting: asyncio.Task[Any]) -> bool:
        return not await self._hang_up.cuts_short(waiting)

    async def wait(self) -> int | None:
        assert self._process is not None
        assert self._output is not None
        exited, ended = self._process.exited, self._output.ended
        awaited: set[asyncio.Future[Any]] = {exited, self._hang_up.future}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if self._hang_up.has_come:
            await asyncio.wait({exited}, timeout=PARTING)
            return exited.result() if exited.done() else None
        status = exited.result()
        if not ended.done():
            # programs may still hold the terminal; what they write from here on has no reader
            self._output.finish()
            awaited = {ended, self._hang_up.future}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        return status

    def close(self) -> None:
        if self._watch is not None:
            self._watch.leave()
        if self._record is not None:
            record, self._record = self._record, None
            now = self._visit.post.clock.now().timestamp()
            self._visit.tasks.start(asyncio.to_thread(record.end, now), "login record")
        for stream in (self._input, self._output):
            if stream is not None:
                stream.close()
