"""Streams one recording to the cluster while its session runs: each part is there before the next one is sent.

While the cluster is away, parts wait; when that takes too long they go to this host's disk, whoever runs the session
is told (`on_detour`), and they follow as soon as the cluster is back. Nothing is lost, and nothing stays here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol, TypeVar, TypeVarTuple

from teleport.foundation.errors import LimitExceeded, TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.foundation.service import TaskOwner
from teleport.session.recording_spool import OpenRecording, RecordingSpool
from teleport.wire.recording import Frame, RecordingInfo, Resized, Started, encode_part

log = get_logger("recording.stream")

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

PATIENCE = 20.0
"""Seconds for which a part waits for the cluster: longer than a restart of auth takes."""
OPENING = 5.0
PARTING = 2.0
KEEP_ALIVE = 30.0
"""Seconds of silence after which the cluster is told that the session still runs."""
PIECE = 4 << 20
_AWAY = (Unavailable, LimitExceeded, OSError, TimeoutError)
_FIRST_RETRY, _LAST_RETRY = timedelta(milliseconds=200), timedelta(seconds=2)


class StreamSink(Protocol):
    """Where recordings are streamed to. Both are safe to repeat, and raise TeleportError."""

    async def append(self, sid: str, offset: int, content: bytes) -> None:
        """Return when `content` is durable behind the first `offset` bytes."""
        ...

    async def finish(self, sid: str, size: int) -> None:
        """Nothing more comes. With `size` 0, where that is not known, the cluster adds an end that is missing."""
        ...


class RecordingStream:
    """A session.recorder.Destination."""

    def __init__(
        self,
        info: RecordingInfo,
        spool: RecordingSpool,
        sink: StreamSink,
        threads: ThreadPoolExecutor,
        tasks: TaskOwner,
    ) -> None:
        self.sid = info.sid
        self.on_detour: Callable[[str], None] = lambda _: None
        self._info = info
        self._spool = spool
        self._sink = sink
        self._threads = threads
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._rest: OpenRecording | None = None
        self._kept = 0
        """Bytes that the cluster has."""
        self._is_detoured = False
        self._refusal: TeleportError | None = None
        self._patience = PATIENCE
        self._limit: asyncio.Timeout | None = None
        self._turn = asyncio.Lock()
        self._detoured = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self, *, may_detour: bool) -> None:
        """The first part is durable. Raises Unavailable when nobody takes it, or the cluster does not and must."""
        try:
            self._rest = await self._in_thread(self._spool.create_rest, self._info)
        except OSError as error:
            log.warning("a recording has no disk to wait on while the cluster is away", session=self.sid, error=error)
        first: list[Frame] = [Started(0, self._info), Resized(0, self._info.columns, self._info.rows)]
        self._patience = OPENING if may_detour else PARTING
        try:
            await self._write(1, first, may_detour=may_detour)
        except (TeleportError, OSError) as error:
            if self._rest is not None:
                self._rest.remove()
            raise Unavailable(f"the session cannot be recorded: {error}") from error
        self._patience = PATIENCE
        self._keeper = self._tasks.start(self._keep(), f"recording of {self.sid}")

    @property
    def is_detoured(self) -> bool:
        """What was recorded last is on this host's disk, and not with the cluster yet."""
        return self._is_detoured

    def write(self, number: int, frames: list[Frame]) -> asyncio.Future[None]:
        return self._loop.create_task(self._write(number, frames))

    def hasten(self) -> None:
        self._patience = PARTING
        if self._limit is not None and (deadline := self._limit.when()) is not None:
            self._limit.reschedule(min(deadline, self._loop.time() + PARTING))

    async def complete(self, is_whole: bool) -> None:
        """What the cluster does not have yet waits for the uploader. Raises OSError."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if not self._is_detoured and await self._is_finished():
            if self._rest is not None:
                await self._in_thread(self._rest.remove)
        elif self._rest is not None:
            await self._in_thread(self._rest.complete, is_whole)

    async def _is_finished(self) -> bool:
        try:
            async with asyncio.timeout(PARTING):
                await self._sink.finish(self.sid, self._kept)
        except (TeleportError, OSError, TimeoutError) as error:
            log.warning("the end of a recording could not be told yet", session=self.sid, error=error)
            return False
        return True

    async def _write(self, number: int, frames: list[Frame], *, may_detour: bool = True) -> None:
        part = await self._in_thread(encode_part, number, frames)
        async with self._turn:
            if self._refusal is not None:
                raise self._refusal
            if self._is_detoured:
                assert self._rest is not None
                await self._in_thread(self._rest.append, part)
                return
            try:
                await self._send(part)
            except _AWAY as error:
                if self._rest is None or not may_detour:
                    raise Unavailable(f"the cluster does not take it: {_reason(error)}") from error
                await self._detour(self._rest, part, _reason(error))

    async def _send(self, part: bytes) -> None:
        """Raises one of `_AWAY` when that was tried for long enough, any other TeleportError at once."""
        begun, backoff = self._loop.time(), Backoff(_FIRST_RETRY, _LAST_RETRY)
        while True:
            try:
                async with asyncio.timeout_at(begun + self._patience) as self._limit:
                    await self._sink.append(self.sid, self._kept, part)
                break
            except _AWAY:
                delay = backoff.next_delay()
                if self._loop.time() + delay >= begun + self._patience:
                    raise
            finally:
                self._limit = None
            await asyncio.sleep(delay)
        self._kept += len(part)

    async def _detour(self, rest: OpenRecording, part: bytes, reason: str) -> None:
        await self._in_thread(rest.follow, self._kept)
        await self._in_thread(rest.append, part)
        self._is_detoured = True
        self._detoured.set()
        log.warning("a recording goes to this host's disk", session=self.sid, reason=reason)
        self.on_detour(f"the cluster does not take the recording ({reason})")

    # -- in the background

    async def _keep(self) -> None:
        """Bring what is on disk to the cluster; in silence, say that the session runs."""
        backoff = Backoff()
        try:
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        await self._detoured.wait()
                except TimeoutError:
                    await self._give_sign()
                    continue
                if await self._has_caught_up():
                    backoff.reset()
                else:
                    await asyncio.sleep(backoff.next_delay())
        except TeleportError as error:
            log.error("the cluster refuses a recording", session=self.sid, error=error)
            self._refusal = error

    async def _give_sign(self) -> None:
        async with self._turn:
            if not self._is_detoured:
                with contextlib.suppress(*_AWAY):
                    async with asyncio.timeout(PARTING):
                        await self._sink.append(self.sid, self._kept, b"")

    async def _has_caught_up(self) -> bool:
        """False while the cluster is away."""
        rest, sent = self._rest, 0
        assert rest is not None
        while True:
            while sent < rest.size:
                piece = await self._in_thread(rest.read, sent, PIECE)
                try:
                    async with asyncio.timeout(PATIENCE):
                        await self._sink.append(self.sid, self._kept + sent, piece)
                except _AWAY:
                    return False
                sent += len(piece)
            async with self._turn:
                if sent == rest.size:
                    await self._in_thread(rest.follow, self._kept + sent)
                    self._kept += sent
                    self._is_detoured = False
                    self._detoured.clear()
                    log.info("a recording goes to the cluster again", session=self.sid)
                    return True

    async def _in_thread(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        return await self._loop.run_in_executor(self._threads, work, *arguments)


def _reason(error: BaseException) -> str:
    return str(error) or "it did not answer in time"
