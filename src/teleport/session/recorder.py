"""Records a session while it runs: frames gather in memory for half a second, then go as one part to disk or auth.

Nothing here blocks the loop: parts are packed and written by a few threads. All recorders hand over at the same
moments, so that what they gathered goes to a thread together: handing over costs more than a part with a few keys in
it. A recorder that falls behind says so (`is_behind`), and whoever feeds it waits. When nothing more is taken, the
recorder fails once and for all, and its `on_failure` is called: a session that must be recorded ends. A streamed one
whose cluster is away calls `on_detour`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from teleport.foundation.clock import Clock
from teleport.foundation.errors import Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.session.recording_spool import OpenRecording, RecordingSpool
from teleport.session.recording_stream import RecordingStream, StreamSink
from teleport.wire.recording import (
    Ended,
    Frame,
    Noted,
    Printed,
    RecordingEnd,
    RecordingInfo,
    Resized,
    encode_part,
)
from teleport.wire.terminal import TerminalSize

log = get_logger("recorder")

INTERVAL = 0.5
FULL_BATCH = 1 << 20
BEHIND = 8 << 20
CAUGHT_UP = 2 << 20
_SWITCH_INTERVAL = 0.0005
"""Seconds for which a thread that packs keeps the interpreter from the loop, which has keys to echo."""

_Part = tuple[OpenRecording, int, list[Frame], "asyncio.Future[None]"]


class Destination(Protocol):
    """Where the parts of one recording go, one at a time."""

    sid: str

    def write(self, number: int, frames: list[Frame]) -> asyncio.Future[None]:
        """Done when the part is durable. Fails when nothing more of this recording will be taken."""
        ...

    def hasten(self) -> None:
        """The session has ended: what may take long is put off."""
        ...

    async def complete(self, is_whole: bool) -> None:
        """No more parts come. Raises OSError."""
        ...


class RecorderFactory:
    """Opens recorders that share one spool and a few threads. `close` after the last recorder has finished."""

    def __init__(
        self,
        spool: RecordingSpool,
        clock: Clock,
        threads: int = 4,
        on_complete: Callable[[], None] = lambda: None,
        sink: StreamSink | None = None,
    ) -> None:
        self._on_complete = on_complete
        self._spool = spool
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="recorder")
        self._disk = _Disk(self._threads, threads)
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL))
        self._sink = sink
        self._streams = TaskOwner("recording stream")

    async def open(self, info: RecordingInfo, *, is_streamed: bool = False, may_detour: bool = True) -> Recorder:
        """A recorder whose first frame is durable. Raises Unavailable when nobody takes it.

        A streamed one that may not detour begins with the cluster or not at all.
        """
        if is_streamed and self._sink is not None:
            stream = RecordingStream(info, self._spool, self._sink, self._threads, self._streams)
            recorder = Recorder(stream, self._clock, self._on_complete)
            stream.on_detour = recorder.detour
            await stream.open(may_detour=may_detour)
            recorder.is_detoured = stream.is_detoured
            return recorder
        loop = asyncio.get_running_loop()
        try:
            file = await loop.run_in_executor(self._threads, self._spool.create, info)
        except OSError as error:
            raise Unavailable(f"the session cannot be recorded: {error}") from error
        return Recorder(_OnDisk(file, self._disk), self._clock, self._on_complete)

    def close(self) -> None:
        self._threads.shutdown()


class Recorder:
    """Takes what a session shows. Frames of one recorder reach the disk in order; at most one batch is on its way."""

    def __init__(self, destination: Destination, clock: Clock, on_complete: Callable[[], None]) -> None:
        self._on_complete = on_complete
        self._destination = destination
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._started = clock.monotonic()
        self._frames: list[Frame] = []
        self._gathered = 0
        self._writing = 0
        self._timer: asyncio.TimerHandle | None = None
        self._job: asyncio.Future[None] | None = None
        self._parts = 1
        self.failure: Unavailable | None = None
        self.on_failure: Callable[[Unavailable], None] = lambda _: None
        self.on_detour: Callable[[str], None] = lambda _: None
        """The cluster is away: this host's disk keeps what is recorded until it is back."""
        self.is_detoured = False
        """It did so from the beginning."""
        self.on_caught_up: Callable[[], None] = lambda: None
        self._was_behind = False

    @property
    def is_behind(self) -> bool:
        """True while too much waits to be written; `on_caught_up` is called when that is over."""
        if self._gathered + self._writing > BEHIND:
            self._was_behind = True
        return self._was_behind

    def print(self, output: bytes) -> None:
        self._add(Printed(self._offset(), output), len(output))

    def resize(self, size: TerminalSize) -> None:
        self._add(Resized(self._offset(), size.columns, size.rows))

    def note(self, event: bytes) -> None:
        """An audit event (JSON) to be seen in the replay."""
        self._add(Noted(self._offset(), event), len(event))

    def detour(self, reason: str) -> None:
        self.on_detour(reason)

    async def finish(self, end: RecordingEnd) -> None:
        """Write the last frames and mark the recording complete. Raises Unavailable when it failed."""
        self._destination.hasten()
        self._add(Ended(self._offset(), end))
        while self.failure is None and (self._frames or self._job is not None):
            if self._job is None:
                self._hand_over()
            if self._job is not None:
                await asyncio.wait({self._job})
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._destination.complete(self.failure is None)
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self.failure is not None:
            raise self.failure
        self._on_complete()

    def _offset(self) -> int:
        return int((self._clock.monotonic() - self._started) * 1000)

    def _add(self, frame: Frame, size: int = 0) -> None:
        if self.failure is not None:
            return
        self._frames.append(frame)
        self._gathered += size + 64
        if self._job is not None:
            return
        if self._gathered >= FULL_BATCH:
            self._hand_over()
        elif self._timer is None:
            self._wait()

    def _wait(self) -> None:
        """Hand over at the next of the moments at which all do."""
        now = self._loop.time()
        self._timer = self._loop.call_at((now // INTERVAL + 1) * INTERVAL, self._hand_over)

    def _hand_over(self) -> None:
        """Give what was gathered to a thread; called again by its end when more has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._job is not None or not self._frames:
            return
        frames, self._frames = self._frames, []
        self._writing, self._gathered = self._gathered, 0
        self._parts += 1
        self._job = self._destination.write(self._parts, frames)
        self._job.add_done_callback(self._written)

    def _written(self, job: asyncio.Future[None]) -> None:
        self._job = None
        self._writing = 0
        error = None if job.cancelled() else job.exception()
        if error is not None:
            self._fail(error)
            return
        if self._gathered >= FULL_BATCH:
            self._hand_over()
        elif self._frames and self._timer is None:
            self._wait()
        if self._was_behind and self._gathered + self._writing <= CAUGHT_UP:
            self._was_behind = False
            self.on_caught_up()

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = Unavailable(f"the session can no longer be recorded: {error}")
            self._frames.clear()
            self._gathered = 0
            log.error("a recording failed", session=self._destination.sid, error=error)
            self.on_failure(self.failure)


class _Disk:
    """Writes parts by threads: those that are asked for at the same moment go in at most a job for each thread."""

    def __init__(self, threads: ThreadPoolExecutor, most: int) -> None:
        self.threads = threads
        self._most = most
        self._due: list[_Part] = []

    def write(self, file: OpenRecording, number: int, frames: list[Frame]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if not self._due:
            loop.call_soon(self._submit, loop)
        self._due.append((file, number, frames, done))
        return done

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        due, self._due = self._due, []
        share = -(-len(due) // self._most)
        for start in range(0, len(due), share):
            parts = due[start : start + share]
            try:
                self.threads.submit(_write_parts, loop, parts)
            except RuntimeError as problem:  # closed: who waits for it must hear so
                for *_, done in parts:
                    _settle(done, problem)


class _OnDisk:
    """A Destination: this host's spool."""

    def __init__(self, file: OpenRecording, disk: _Disk) -> None:
        self.sid = file.sid
        self._file = file
        self._disk = disk

    def write(self, number: int, frames: list[Frame]) -> asyncio.Future[None]:
        return self._disk.write(self._file, number, frames)

    def hasten(self) -> None:
        """A disk is as quick as it is."""

    async def complete(self, is_whole: bool) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk.threads, self._file.complete, is_whole)


def _write_parts(loop: asyncio.AbstractEventLoop, parts: Sequence[_Part]) -> None:
    """In a thread. Each recorder is told as soon as its own part is on disk, or is not."""
    for file, number, frames, done in parts:
        problem: BaseException | None = None
        try:
            file.append(encode_part(number, frames))
        except BaseException as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(_settle, done, problem)


def _settle(done: asyncio.Future[None], problem: BaseException | None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)
