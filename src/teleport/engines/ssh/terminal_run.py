"""A session on a terminal: shown to its parties, recorded while it runs, known to the cluster."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Sequence
from typing import Any

from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.spawner import Process
from teleport.engines.ssh.streams import DescriptorReader, DescriptorWriter
from teleport.engines.ssh.surroundings import session_environment
from teleport.engines.ssh.terminal import Terminal
from teleport.foundation.errors import TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.model.events.catalog import encode_event
from teleport.model.resource import Metadata
from teleport.model.resources.session_tracker import Participant, SessionTracker, SessionTrackerSpec
from teleport.session.live import LiveSession, Party
from teleport.session.recorder import Recorder
from teleport.wire.recording import RecordingEnd, RecordingInfo
from teleport.wire.terminal import TerminalSize

log = get_logger("ssh.session")

PARTING = 2.0
"""Seconds a hung-up shell is given to end, so that how it ended is known."""


class ChannelScreen:
    """The owner's screen: its channel, which holds the program back when it is full."""

    def __init__(self, channel: SessionChannel) -> None:
        self._channel = channel
        self.is_full = False

    def show(self, output: bytes) -> None:
        self._channel.show(output)


class TerminalRun:
    """One interactive session, from the first frame of its recording to its end event."""

    def __init__(self, channel: SessionChannel, sid: str, program: tuple[str, Sequence[str]]) -> None:
        assert channel.terminal is not None
        self._channel = channel
        self._program = program
        self._request = channel.terminal
        self._sid = sid
        self._screen = ChannelScreen(channel)
        self._terminal: Terminal | None = None
        self._process: Process | None = None
        self._input: DescriptorWriter | None = None
        self._output: DescriptorReader | None = None
        self._recorder: Recorder | None = None
        self._reason = ""
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        visit = channel.visit
        self._live = LiveSession(
            id=self._sid,
            kind="ssh",
            user=visit.identity.username,
            login=visit.login,
            started=visit.post.clock.now(),
            resize_terminal=self._resize_terminal,
            end=self._end,
            command=(channel.command,) if channel.command else (),
            size=self._request.size,
        )

    async def run(self) -> None:
        visit = self._channel.visit
        visit.screens.add(self._end)
        unwatch = visit.post.emitter.watch_failure(lambda failure: self._end(str(failure)))
        status: int | None = None
        try:
            self._recorder = await self._open_recorder()
            await self._start()
            self._announce()
            self._channel.begin(self)
            status = await self._wait()
            if status is not None:
                self._channel.exit(status)
        finally:
            unwatch()
            visit.screens.discard(self._end)
            self._close()
            await self._conclude(status)

    # -- beginning

    async def _open_recorder(self) -> Recorder | None:
        """None when sessions are not recorded, or this one may go on without. Raises Unavailable when it may not."""
        visit = self._channel.visit
        if not visit.admission.is_recorded:
            return None
        live = self._live
        info = RecordingInfo(
            sid=live.id, user=live.user, login=live.login, cluster=visit.post.cluster, server_id=visit.post.host_id,
            server_hostname=visit.post.hostname, started=live.started, columns=live.size.columns, rows=live.size.rows,
            term=self._request.kind, command=live.command,
        )  # fmt: skip
        try:
            recorder = await visit.post.recorders.open(info)
        except Unavailable as error:
            if visit.admission.must_be_recorded:
                raise
            log.warning("a session goes on without a recording", session=live.id, error=error)
            return None
        recorder.on_failure = self._lose_recorder
        recorder.on_caught_up = lambda: self._output.release("recorder") if self._output is not None else None
        return recorder

    def _lose_recorder(self, failure: Unavailable) -> None:
        if self._output is not None:
            self._output.release("recorder")
        if self._channel.visit.admission.must_be_recorded:
            self._end(str(failure))
        else:
            self._channel.tell(f"teleport: {failure}; the session goes on")

    async def _start(self) -> None:
        visit = self._channel.visit
        self._terminal = terminal = Terminal(visit.user, self._live.size, self._request.modes)
        path, argv = self._program
        try:
            environment = session_environment(self._channel, self._sid, terminal.name)
            self._process = await visit.spawner.run(
                path, argv, environment, visit.user, (terminal.slave,) * 3, is_terminal=True
            )
        except BaseException:
            os.close(terminal.master)
            raise
        finally:
            terminal.close_slave()
        pause, resume = self._channel.channel.pause_reading, self._channel.channel.resume_reading
        self._input = DescriptorWriter(os.dup(terminal.master), pause, resume)
        self._output = DescriptorReader(terminal.master, self._show, is_terminal=True)

    def _announce(self) -> None:
        visit, live = self._channel.visit, self._live
        party = Party(
            id=str(uuid.uuid4()), user=live.user, login=live.login, mode="peer", joined=live.started,
            screen=self._screen, size=live.size, remote_address=":".join(map(str, visit.connection.client_address)),
        )  # fmt: skip
        live.admit(party)
        visit.post.sessions[live.id] = live
        visit.audit.session_started(live, is_recorded=self._recorder is not None)
        visit.post.trackers.put(live.id, self._tracker(party))

    def _tracker(self, party: Party) -> SessionTracker:
        visit, live = self._channel.visit, self._live
        return SessionTracker(
            metadata=Metadata(name=live.id),
            spec=SessionTrackerSpec(
                session_id=live.id, kind="ssh", state="running", created=live.started, host_user=live.user,
                participants=[Participant(id=party.id, user=party.user, mode="peer", cluster=visit.post.cluster)],
                host_roles=list(visit.identity.roles), hostname=visit.post.hostname, address=visit.post.host_id,
                cluster_name=visit.post.cluster, login=live.login, host_id=visit.post.host_id,
                initial_command=list(live.command),
            ),
        )  # fmt: skip

    # -- while it runs

    def _show(self, output: bytes) -> None:
        self._live.show(output)
        if self._recorder is not None and self._recorder.failure is None:
            self._recorder.print(output)
            if self._recorder.is_behind and self._output is not None:
                self._output.hold("recorder")

    def take_input(self, data: bytes) -> None:
        self._live.bytes_typed += len(data)
        if self._input is not None:
            self._input.write(data)

    def end_input(self) -> None:
        """A terminal has no end of input: what reads it goes on, as with other servers."""

    def resize(self, size: TerminalSize) -> None:
        if self._live.resize(size):
            event = self._channel.visit.audit.resized(self._live)
            if self._recorder is not None:
                self._recorder.resize(size)
                if event is not None:
                    self._recorder.note(encode_event(event))

    def _resize_terminal(self, size: TerminalSize) -> None:
        if self._terminal is not None and self._output is not None and not self._output.ended.done():
            self._terminal.resize(size)

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(number)

    def hold_output(self) -> None:
        if self._output is not None:
            self._output.hold("client")

    def release_output(self) -> None:
        if self._output is not None:
            self._output.release("client")

    def lose_client(self) -> None:
        self._reason = self._reason or "the connection was lost"
        self._hang_up()

    def _end(self, reason: str) -> None:
        """Somebody ends the session: the person is told why, the shell is hung up."""
        self._reason = self._reason or reason
        self._channel.tell(f"teleport: the session ends: {reason}")
        self._hang_up()

    def _hang_up(self) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        self._close()

    async def _wait(self) -> int | None:
        assert self._process is not None
        assert self._output is not None
        ended = self._output.ended
        awaited: set[asyncio.Future[Any]] = {self._process.exited, self._lost}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            await asyncio.wait({self._process.exited}, timeout=PARTING)
            return self._process.exited.result() if self._process.exited.done() else None
        status = self._process.exited.result()
        if not ended.done():
            # programs may still hold the terminal; what they write from here on has no reader
            self._output.finish()
            await ended
        return status

    # -- the end

    def _close(self) -> None:
        for stream in (self._input, self._output):
            if stream is not None:
                stream.close()

    async def _conclude(self, status: int | None) -> None:
        visit, live = self._channel.visit, self._live
        recorder = self._recorder
        if live.id not in visit.post.sessions:
            if recorder is not None:
                await self._finish_recording(recorder, status)
            return
        visit.post.sessions.pop(live.id, None)
        for party in tuple(live.parties):
            live.leave(party)
        visit.audit.session_left(live)
        event = visit.audit.session_ended(live, is_recorded=recorder is not None)
        if recorder is not None:
            if event is not None:
                recorder.note(encode_event(event))
            await self._finish_recording(recorder, status)
        visit.post.trackers.end(live.id)

    async def _finish_recording(self, recorder: Recorder, status: int | None) -> None:
        now = self._channel.visit.post.clock.now()
        end = RecordingEnd(
            ended=now, reason=self._reason, exit_status=status, participants=tuple(self._live.everyone)
        )
        try:
            await recorder.finish(end)
        except TeleportError as error:
            log.error("a recording is incomplete", session=self._live.id, error=error)
