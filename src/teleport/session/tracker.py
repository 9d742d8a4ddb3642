"""Tells the cluster which sessions run here: a session_tracker each, refreshed while it lives, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import msgspec

from teleport.foundation.clock import Clock
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resources.session_tracker import SessionTracker

log = get_logger("tracker")

LIFETIME = timedelta(minutes=30)
REFRESH = timedelta(minutes=5)
_PARTING = 2.0


class TrackerSink(Protocol):
    """Where trackers are kept. Both are safe to repeat, and raise TeleportError."""

    async def put(self, tracker: SessionTracker) -> None: ...

    async def delete(self, sid: str) -> None: ...


class Trackers:
    """A Service. Calls never wait: what is to be told is told in the background, the newest state of each session."""

    name = "trackers"

    def __init__(self, sink: TrackerSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._running: dict[str, SessionTracker] = {}
        self._untold: dict[str, SessionTracker | None] = {}
        self._changed = asyncio.Event()

    def put(self, sid: str, tracker: SessionTracker) -> None:
        """A session began, or its parties changed."""
        self._running[sid] = tracker
        self._tell(sid, tracker)

    def end(self, sid: str) -> None:
        if self._running.pop(sid, None) is not None:
            self._tell(sid, None)

    def end_lost(self, sid: str) -> None:
        """A session of an earlier process, whose end nobody told."""
        self._tell(sid, None)

    def _tell(self, sid: str, tracker: SessionTracker | None) -> None:
        self._untold[sid] = tracker
        self._changed.set()

    async def run(self, started: Callable[[], None]) -> None:
        started()
        try:
            await self._tell_repeatedly()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PARTING):
                    await self.tell_all()

    async def _tell_repeatedly(self) -> None:
        refreshed = self._clock.monotonic()
        while True:
            try:
                async with asyncio.timeout(REFRESH.total_seconds() / 5):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            if self._clock.monotonic() - refreshed >= REFRESH.total_seconds():
                refreshed = self._clock.monotonic()
                self._untold = {**self._running, **self._untold}
            await self.tell_all()

    async def tell_all(self) -> None:
        """Tell everything not told yet; what fails is told again later, unless something newer is known by then."""
        untold, self._untold = self._untold, {}
        try:
            for sid, tracker in tuple(untold.items()):
                if await self._is_told(sid, tracker) or (sid not in self._running and tracker is not None):
                    del untold[sid]
        finally:  # also when it is stopped in between
            self._untold = {**untold, **self._untold}

    async def _is_told(self, sid: str, tracker: SessionTracker | None) -> bool:
        try:
            if tracker is None:
                await self._sink.delete(sid)
            else:
                await self._sink.put(self._with_expiry(tracker))
        except (TeleportError, OSError, TimeoutError) as error:
            log.debug("a session tracker could not be kept", session=sid, error=error)
            return False
        return True

    def _with_expiry(self, tracker: SessionTracker) -> SessionTracker:
        metadata = msgspec.structs.replace(tracker.metadata, expires=self._clock.now() + LIFETIME)
        return msgspec.structs.replace(tracker, metadata=metadata)
