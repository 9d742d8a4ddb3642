"""Takes audit events, makes them durable, and hands them to the log in order, for as long as that takes.

Every event is written to the spool before it is sent, so neither a crash here nor an absent auth service loses one.
When the disk takes nothing, events go straight to the log; when the log does not answer either, the emitter is
failing: it says so to its watchers, and what must be audited has to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import msgspec

from teleport.foundation.clock import Clock
from teleport.foundation.errors import LimitExceeded, TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.model.events.base import Event
from teleport.model.events.catalog import encode_event
from teleport.session.event_spool import EventSpool

log = get_logger("emitter")

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
Send = Callable[[Sequence[bytes]], Awaitable[None]]
"""Hands encoded events to the log and returns when they are durable there. Raises Unavailable to be tried again."""

MAX_WAITING = 20_000
BEHIND = 2_000
_GATHER = 0.02
_APART = 0.25
"""Seconds from one batch that was not full to the next: each costs the log as much as a hundred events in it."""
_FULL = 128 << 10
"""Bytes of a batch behind which more is waiting."""
_SEND_TIMEOUT = 30.0
_DISK_RETRY = 2.0
_PARTING = 3.0
_LOOK_AROUND = 5.0
"""Seconds after which the spool is looked at unasked: a process that went may have left events there."""


class Emitter:
    """A Service; `post` and `emit` work from construction on, and hold events until it runs."""

    name = "emitter"

    def __init__(self, send: Send, spool: EventSpool, clock: Clock, cluster: str = "") -> None:
        self._send = send
        self._spool = spool
        self._clock = clock
        self._cluster = cluster
        self._waiting: list[tuple[bytes, asyncio.Future[None] | None]] = []
        self._arrived = asyncio.Event()
        self._spooled = asyncio.Event()
        self._written = asyncio.Event()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="event-spool")
        self._failure: TeleportError | None = None
        self._watchers: set[Callable[[TeleportError], None]] = set()

    @property
    def failure(self) -> TeleportError | None:
        """Why no event can be taken at present; None when all is well."""
        return self._failure

    @property
    def is_behind(self) -> bool:
        """True while so much waits to be written that whoever causes it should wait too, for `caught_up`."""
        return len(self._waiting) > BEHIND

    async def caught_up(self) -> None:
        """Return when little waits to be written."""
        while self.is_behind:
            self._written.clear()
            await self._written.wait()

    def watch_failure(self, watcher: Callable[[TeleportError], None]) -> Callable[[], None]:
        """Call `watcher` when the emitter starts to fail. Returns the function that ends the watch."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def post(self, event: Event) -> Event:
        """Take an event without waiting; on disk within about a tenth of a second. Returns it with uid and time.

        Raises LimitExceeded when too many wait to be written.
        """
        full = self._complete(event)
        self._enqueue(full, None)
        return full

    async def emit(self, event: Event) -> Event:
        """Take an event and wait until it is durable here or in the log. Raises Unavailable, LimitExceeded."""
        full = self._complete(event)
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(full, durable)
        await durable
        return full

    async def run(self, started: Callable[[], None]) -> None:
        await self._in_thread(self._spool.open)
        self._spooled.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write_loop())
                group.create_task(self._send_loop())
                started()
        finally:
            await self._part()

    def _complete(self, event: Event) -> Event:
        return msgspec.structs.replace(
            event,
            uid=event.uid or str(uuid.uuid4()),
            time=event.time or self._clock.now(),
            cluster_name=event.cluster_name or self._cluster,
        )

    def _enqueue(self, event: Event, durable: asyncio.Future[None] | None) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise LimitExceeded(f"{MAX_WAITING} audit events wait to be written: no more can be taken")
        self._waiting.append((encode_event(event), durable))
        self._arrived.set()

    async def _write_loop(self) -> None:
        while await self._arrived.wait():
            await self._gather()
            await self._write_waiting()

    async def _gather(self) -> None:
        """Events that come close together share one write; after a failure the disk is given time."""
        await asyncio.sleep(_GATHER if self._failure is None else _DISK_RETRY)

    async def _write_waiting(self) -> None:
        """Make all that waits durable. What nothing could take goes on waiting."""
        batch, self._waiting = self._waiting, []
        self._arrived.clear()
        lines = [line for line, _ in batch]
        try:
            await self._in_thread(self._spool.append, lines)
            self._spooled.set()
        except OSError as error:
            if not await self._send_directly(lines, error):
                self._waiting = batch + self._waiting
                self._arrived.set()
                return
        except asyncio.CancelledError:
            # whether the disk has it nobody knows; the log keeps one of two, and none of none
            self._waiting = batch + self._waiting
            raise
        self._failure = None
        self._written.set()
        for _, durable in batch:
            if durable is not None and not durable.done():
                durable.set_result(None)

    async def _send_directly(self, lines: list[bytes], disk: OSError) -> bool:
        try:
            async with asyncio.timeout(_SEND_TIMEOUT):
                await self._send(lines)
        except (TeleportError, OSError, TimeoutError) as error:
            self._fail(Unavailable(f"audit events can be kept neither on disk ({disk}) nor in the log ({error})"))
            return False
        return True

    def _fail(self, failure: TeleportError) -> None:
        if self._failure is None:
            log.error("audit events cannot be kept", error=failure)
            self._failure = failure
            for watcher in tuple(self._watchers):
                watcher(failure)

    async def _send_loop(self) -> None:
        backoff = Backoff()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AROUND):
                    await self._spooled.wait()
            self._spooled.clear()
            if await self._send_spooled(_APART):
                backoff.reset()
            else:
                self._spooled.set()
                await asyncio.sleep(backoff.next_delay())

    async def _send_spooled(self, apart: float) -> bool:
        """Send what the spool holds. False when the log does not answer, or the disk."""
        try:
            while lines := await self._in_thread(self._spool.peek):
                if not await self._send_batch(lines):
                    return False
                await self._in_thread(self._spool.discard)
                if sum(map(len, lines)) < _FULL:
                    await asyncio.sleep(apart)
        except OSError as error:
            log.warning("events on disk cannot be read now", error=error)
            return False
        return True

    async def _send_batch(self, lines: list[bytes]) -> bool:
        try:
            async with asyncio.timeout(_SEND_TIMEOUT):
                await self._send(lines)
        except (Unavailable, LimitExceeded, OSError, TimeoutError) as error:
            log.warning("the audit log does not answer; events wait on disk", error=error)
            return False
        except TeleportError as error:
            return await self._is_heard() and await self._send_singly(lines, error)
        return True

    async def _is_heard(self) -> bool:
        """Whether the log takes anything from this host: where the host itself is refused, its events wait."""
        try:
            async with asyncio.timeout(_SEND_TIMEOUT):
                await self._send([])
        except (TeleportError, OSError, TimeoutError) as error:
            log.warning("the audit log takes nothing from this host; events wait on disk", error=error)
            return False
        return True

    async def _send_singly(self, lines: list[bytes], refusal: TeleportError) -> bool:
        """One event the log will never take must not hold up the others: it is logged in full and passed over."""
        if len(lines) == 1:
            log.error("the audit log refuses an event", error=refusal, event=lines[0].decode(errors="replace"))
            return True
        for line in lines:
            try:
                async with asyncio.timeout(_SEND_TIMEOUT):
                    await self._send([line])
            except (Unavailable, LimitExceeded, OSError, TimeoutError):
                return False
            except TeleportError as error:
                log.error("the audit log refuses an event", error=error, event=line.decode(errors="replace"))
        return True

    async def _part(self) -> None:
        """Stopped: what waits goes to disk; what the log takes within a moment goes there."""
        if self._waiting:
            await self._write_waiting()
        try:
            async with asyncio.timeout(_PARTING):
                await self._send_spooled(0)
        except (TimeoutError, OSError):
            log.info("events stay on disk for the next start")
        await self._in_thread(self._spool.close)
        self._disk.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)
