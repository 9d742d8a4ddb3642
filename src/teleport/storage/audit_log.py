"""The audit log: one JSON line an event, one file a UTC day, an index beside it.

An event is on disk before `emit` returns, and each uid is there once. The files are the log: what the index lacks
after a sudden end is read from them again, and a line that it tore was never acknowledged and is cut off.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from teleport.foundation import metrics
from teleport.foundation.clock import Clock
from teleport.foundation.errors import TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.model.events.base import Event
from teleport.model.events.catalog import encode_event
from teleport.storage.audit.files import DayFiles
from teleport.storage.audit.index import AuditIndex
from teleport.storage.audit.lines import Line, read_line
from teleport.storage.audit.writer import AuditWriter
from teleport.storage.audit_search import EventPage, EventQuery, condition_of, find_events, read_places
from teleport.storage.group_commit import GroupCommit

__all__ = ["AuditLog", "EventPage", "EventQuery"]

log = get_logger("audit")

T = TypeVar("T")
_FOLLOWED_AT_ONCE = 500
_KEPT = metrics.sum_of("teleport_audit_emit_events", "Audit events that were kept")
_FAILED = metrics.sum_of("audit_failed_emit_events", "Audit events that could not be kept")


class AuditLog:
    """Opened by `open`. Raises Unavailable when the disk is full or fails; then nothing of the batch counts."""

    def __init__(self, directory: Path, files: DayFiles, index: AuditIndex, clock: Clock) -> None:
        self._directory = directory
        self._files = files
        self._index = index
        self._writer = AuditWriter(files, index, clock)
        self._reading = threading.Lock()
        self._position = index.position()
        self._arrivals: set[asyncio.Future[None]] = set()
        self._is_closed = False
        self._commits: GroupCommit[Sequence[Line], int] = GroupCommit(
            "audit-writer", self._writer.stage, self._writer.commit, self._settle
        )

    @classmethod
    async def open(cls, directory: Path, clock: Clock, *, link: Path | None = None) -> AuditLog:
        """Repairs what a sudden end left. `link` names the newest file; it is `directory/events.log` if not given.

        Raises Unavailable.
        """

        def prepare() -> tuple[DayFiles, AuditIndex]:
            files = DayFiles(directory, link or directory / "events.log")
            index = AuditIndex(directory / "events.index")
            AuditWriter(files, index, clock).repair_all()
            return files, index

        return cls(directory, *await _in_thread(directory, prepare), clock)

    async def emit(self, events: Sequence[Event]) -> None:
        """Durable when it returns. An event whose uid is there already is left out. Raises BadParameter."""
        await self.emit_lines([encode_event(event) for event in events])

    async def emit_lines(self, events: Sequence[bytes]) -> None:
        """The same for events that are JSON objects. Raises BadParameter unless each has event, uid and time."""
        if not (lines := [read_line(event) for event in events]):
            return
        try:
            await self._commits.submit(lines)
        except Unavailable:
            _FAILED.inc(len(lines))
            raise
        _KEPT.inc(len(lines))

    async def search(self, query: EventQuery) -> EventPage:
        """Raises BadParameter, LimitExceeded."""
        condition = condition_of(query)
        return await self._read(lambda: find_events(self._index, self._files, query, condition))

    @property
    def position(self) -> int:
        """Grows with each event kept; where `follow` may begin. Not for keeping: a new index counts anew."""
        return self._position

    async def follow(
        self, after: int | None = None, types: frozenset[str] = frozenset()
    ) -> AsyncIterator[tuple[int, bytes]]:
        """(position, JSON object) of each event in order of arrival, after a position or from now on, for ever."""
        position = self._position if after is None else after
        while True:
            seen, arrival = self._position, self._next_arrival()
            batch = await self._read(lambda: self._new_events(position, types))  # noqa: B023 - awaited at once
            for position, line in batch:
                yield position, line
            if len(batch) < _FOLLOWED_AT_ONCE:
                position = max(position, seen)
                await arrival

    async def close(self) -> None:
        """Finish what was accepted. May be called twice."""
        if self._is_closed:
            return
        await self._commits.close()
        self._is_closed = True
        self._announce()
        await asyncio.to_thread(self._close_files)

    def _settle(self, failure: TeleportError | None) -> None:
        self._writer.settle(failure)
        if failure is None:
            self._position = self._index.position()
            self._announce()

    def _announce(self) -> None:
        arrivals, self._arrivals = self._arrivals, set()
        for arrival in arrivals:
            if not arrival.done():
                arrival.set_result(None)

    def _next_arrival(self) -> asyncio.Future[None]:
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals.add(arrival)
        arrival.add_done_callback(self._arrivals.discard)
        return arrival

    def _new_events(self, position: int, types: frozenset[str]) -> list[tuple[int, bytes]]:
        places = self._index.find_after(position, sorted(types), _FOLLOWED_AT_ONCE)
        return [(place.seq, line) for place, line in read_places(self._files, places)]

    async def _read(self, read: Callable[[], T]) -> T:
        def read_alone() -> T:
            with self._reading:
                if self._is_closed:
                    raise Unavailable("the audit log is closed")
                return read()

        return await _in_thread(self._directory, read_alone)

    def _close_files(self) -> None:
        with self._reading:
            self._index.close()
            self._files.close()


async def _in_thread(directory: Path, work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"audit log {directory}: {error}") from error
