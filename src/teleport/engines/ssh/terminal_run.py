"""A session on a terminal: shown to its parties, recorded while it runs, known to the cluster.

Where others must be present it waits for them: no program is started before, and what is typed is thrown away.
"""

from __future__ import annotations

import asyncio
import uuid

from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.tracking import tracker_of
from teleport.foundation.errors import TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.model.events.base import Event
from teleport.model.events.catalog import encode_event
from teleport.session.live import LiveSession, Party
from teleport.session.recorder import Recorder
from teleport.wire.recording import RecordingEnd, RecordingInfo
from teleport.wire.session_words import purpose_of
from teleport.wire.terminal import TerminalSize

log = get_logger("ssh.session")


class TerminalRun:
    """One interactive session, from the wait for others to its end event. The live session's stage."""

    borrows_input = False

    def __init__(self, channel: SessionChannel, sid: str) -> None:
        assert channel.terminal is not None
        self._channel = channel
        self._request = channel.terminal
        self._program = channel.visit.backend.program(channel, _ProgramScreens(self))
        self._recorder: Recorder | None = None
        self._notes: list[Event] = []
        self._early: list[bytes] = []
        self._reason = ""
        visit = channel.visit
        owner = Party(
            str(uuid.uuid4()), visit.identity.username, "peer", visit.post.clock.now(),
            roles=tuple(visit.identity.roles), remote_address=":".join(map(str, visit.connection.client_address)),
        )  # fmt: skip
        self.live = LiveSession(
            sid, owner, self, login=visit.login, size=self._request.size,
            command=(channel.command,) if channel.command else (), required=channel.required,
            purpose=purpose_of(channel.sent_variables()),
        )  # fmt: skip

    async def run(self) -> None:
        visit, live = self._channel.visit, self.live
        visit.screens.add(self.end)
        visit.lives.add(live)
        visit.conditions[self] = (self._objection, self.end)
        unwatch = visit.post.emitter.watch_failure(lambda failure: self.end(str(failure)))
        status: int | None = None
        try:
            status = await self._perform()
            if status is not None:
                self._channel.exit(status)
        finally:
            unwatch()
            visit.screens.discard(self.end)
            visit.lives.discard(live)
            del visit.conditions[self]
            self._program.close()
            await self._conclude(status)

    def _objection(self) -> str:
        return self._channel.objection() or self._channel.visit.admission.lock_on(self.live.id)

    async def _perform(self) -> int | None:
        """None when it was ended before it began, or nobody knows how it ended."""
        live = self.live
        live.open()
        if not live.is_running:
            self._channel.visit.post.sessions[live.id] = live
            self.tell_cluster()
            self._channel.begin(self)
            if not await self._others():
                return None
        self._recorder = await self._open_recorder()
        if not await self._others():
            return None
        await self._start()
        self._announce()
        if live.has_waited:
            self._type_early()
        else:
            self._channel.begin(self)
        return await self._program.wait()

    async def _others(self) -> bool:
        """Wait until everybody who is required is there. False when the session was ended before."""
        while not self._program.is_lost and not self.live.is_running:
            waiting = asyncio.get_running_loop().create_task(self.live.until_running())
            await self._program.unless_lost(waiting)
        return not self._program.is_lost

    # -- beginning

    async def _open_recorder(self) -> Recorder | None:
        """None when sessions are not recorded, or this one may go on without. Raises Unavailable when it may not."""
        visit = self._channel.visit
        if not visit.admission.is_recorded:
            return None
        live = self.live
        info = RecordingInfo(
            sid=live.id, user=live.user, login=live.login, cluster=visit.post.cluster, server_id=visit.post.host_id,
            server_hostname=visit.post.hostname, started=live.started, columns=live.size.columns, rows=live.size.rows,
            term=self._request.kind, command=live.command,
        )  # fmt: skip
        try:
            recorder = await visit.post.recorders.open(
                info, is_streamed=visit.admission.is_streamed, may_detour=not visit.admission.must_be_recorded
            )
        except Unavailable as error:
            if visit.admission.must_be_recorded:
                raise
            log.warning("a session goes on without a recording", session=live.id, error=error)
            return None
        recorder.on_failure, recorder.on_detour = self._lose_recorder, self._detour_recorder
        if recorder.is_detoured:
            self._detour_recorder("the cluster does not take the recording")
        recorder.on_caught_up = lambda: self._program.release("recorder")
        return recorder

    def _lose_recorder(self, failure: Unavailable) -> None:
        self._program.release("recorder")
        if self._channel.visit.admission.must_be_recorded:
            self.end(str(failure))
        else:
            self.tell(f"{failure}; the session goes on")

    def _detour_recorder(self, reason: str) -> None:
        """What was shown so far is safe here; where that is not enough, the session ends."""
        if self._channel.visit.admission.must_be_recorded:
            self.end(reason)
        else:
            self.tell(f"{reason}; the session goes on, and is recorded here until the cluster is back")

    @property
    def _recording(self) -> str:
        return self._channel.visit.admission.recording_mode if self._recorder is not None else "off"

    async def _start(self) -> None:
        self.live.begin()
        await self._program.start(self.live.id, self.live.size)

    def _announce(self) -> None:
        visit, live = self._channel.visit, self.live
        visit.post.sessions[live.id] = live
        visit.audit.session_started(live, self._recording)
        notes, self._notes = self._notes, []
        for event in notes:
            self.note(event)
        self.tell_cluster()

    # -- what its parties do: session.live.Stage

    def show(self, output: bytes) -> None:
        self._channel.show(output)

    def tell(self, text: str) -> None:
        self._channel.tell(f"teleport: {text}")

    def type(self, data: bytes) -> None:
        if self._program.is_started:
            self._program.type(data)
        else:
            self._early.append(data)
            self.pause_typing()

    def apply_size(self, size: TerminalSize) -> None:
        self._program.resize(size)

    def pause(self) -> None:
        self._program.hold("moderation")
        self._program.discard_typed()
        self._early.clear()
        self.resume_typing()  # so that nothing typed from now on waits anywhere

    def resume(self) -> None:
        self._program.release("moderation")

    def end(self, reason: str) -> None:
        """Somebody ends the session: everybody is told why, the shell is hung up."""
        if not self._reason:
            self._reason = reason
            self.tell(f"the session ends: {reason}")
        self._program.hang_up()

    def note(self, event: Event) -> None:
        if self._recorder is not None:
            self._recorder.note(encode_event(event))
        elif not self._program.is_started:
            self._notes.append(event)

    def tell_cluster(self) -> None:
        visit = self._channel.visit
        if self.live.id in visit.post.sessions and not visit.admission.is_told_by_proxy:
            visit.post.trackers.put(self.live.id, tracker_of(self.live, visit))

    # -- what its client does: engines.ssh.channel.Run

    def take_input(self, data: bytes) -> None:
        self.live.type(self.live.owner, data)

    def end_input(self) -> None:
        """A terminal has no end of input: what reads it goes on, as with other servers."""

    def resize(self, size: TerminalSize) -> None:
        if self.live.resize(size) and self._program.is_started:
            event = self._channel.visit.audit.resized(self.live)
            if self._recorder is not None:
                self._recorder.resize(size)
                if event is not None:
                    self.note(event)

    def signal(self, number: int) -> None:
        if self.live.is_running:
            self._program.signal(number)

    def hold_output(self) -> None:
        self._program.hold("client")

    def release_output(self) -> None:
        self._program.release("client")

    def lose_client(self) -> None:
        self._reason = self._reason or "the connection was lost"
        self._program.hang_up()

    # -- what its program does

    def take_output(self, output: bytes) -> None:
        self.live.show(output)
        if self._recorder is not None and self._recorder.failure is None:
            self._recorder.print(output)
            if self._recorder.is_behind:
                self._program.hold("recorder")

    def pause_typing(self) -> None:
        self._channel.channel.pause_reading()

    def resume_typing(self) -> None:
        self._channel.channel.resume_reading()

    def _type_early(self) -> None:
        early, self._early = self._early, []
        self.resume_typing()
        for data in early:
            self._program.type(data)

    # -- the end

    async def _conclude(self, status: int | None) -> None:
        visit, live, recorder = self._channel.visit, self.live, self._recorder
        was_known = visit.post.sessions.pop(live.id, None) is not None
        has_run = was_known and self._program.is_started
        live.close(self._reason)
        kernel = visit.post.kernel
        is_watched = has_run and kernel is not None and bool(visit.admission.options.enhanced_recording)
        if is_watched and kernel is not None:
            await kernel.settled()
        if has_run:
            visit.audit.session_left(live)
            event = visit.audit.session_ended(live, self._recording, self._reason, is_watched=is_watched)
            if event is not None:
                self.note(event)
        self._recorder = None
        if recorder is not None:
            await self._finish_recording(recorder, status)
        if was_known:
            visit.post.trackers.end(live.id)

    async def _finish_recording(self, recorder: Recorder, status: int | None) -> None:
        now = self._channel.visit.post.clock.now()
        end = RecordingEnd(ended=now, reason=self._reason, exit_status=status, participants=tuple(self.live.everyone))
        try:
            await recorder.finish(end)
        except TeleportError as error:
            log.error("a recording is incomplete", session=self.live.id, error=error)


class _ProgramScreens:
    """What a program shows goes through the live session; the run itself is what its owner sees."""

    def __init__(self, run: TerminalRun) -> None:
        self._run = run

    def show(self, output: bytes) -> None:
        self._run.take_output(output)

    def show_error(self, output: bytes) -> None:
        """On a terminal there is one screen for all."""
        self._run.take_output(output)

    def note_event(self, event: Event) -> None:
        self._run.note(event)

    def pause_typing(self) -> None:
        self._run.pause_typing()

    def resume_typing(self) -> None:
        self._run.resume_typing()
