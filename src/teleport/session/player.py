"""Plays a recording: frames come when it is their time, at any speed, from any point, with the idle time left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from teleport.foundation.clock import Clock
from teleport.wire.recording import Frame, Printed, RecordingReader

Open = Callable[[], AsyncIterator[bytes]]
"""Gives the recording's bytes from the start; called again to go back."""

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
IDLE_LIMIT = timedelta(seconds=1)
CLEAR_SCREEN = b"\x1bc"


async def read_frames(source: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """All frames in order, at once. A torn tail ends it quietly; raises DamagedRecording for anything else."""
    reader = RecordingReader()
    async for piece in source:
        for frame in reader.feed(piece):
            yield frame


class Player:
    """Plays one recording to one reader of `frames`. Controls may be used from another task at any time."""

    def __init__(self, open_recording: Open, clock: Clock, speed: float = 1.0, skip_idle: bool = False) -> None:
        self._open = open_recording
        self._clock = clock
        self._speed = speed
        self._skip_idle = skip_idle
        self._position = 0.0
        self._marked = clock.monotonic()
        self._is_paused = False
        self._changed = asyncio.Event()
        self._seek_to: float | None = None

    @property
    def position(self) -> timedelta:
        """Time since the start of the session that is on the screen now."""
        return timedelta(milliseconds=self._now())

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def speed(self) -> float:
        return self._speed

    def pause(self) -> None:
        self._mark()
        self._is_paused = True
        self._changed.set()

    def resume(self) -> None:
        self._mark()
        self._is_paused = False
        self._changed.set()

    def set_speed(self, speed: float) -> None:
        self._mark()
        self._speed = min(max(speed, SPEEDS[0]), SPEEDS[-1])
        self._changed.set()

    def seek(self, to: timedelta) -> None:
        """Go there; everything before it is shown at once, after a clear screen when it lies behind."""
        self._seek_to = max(0.0, to.total_seconds() * 1000)
        self._changed.set()

    async def frames(self) -> AsyncIterator[Frame]:
        """Each frame at its time; ends with the recording."""
        while True:
            restart = False
            self._marked = self._clock.monotonic()
            async for frame in read_frames(self._open()):
                if not await self._wait_for(frame.offset):
                    restart = True
                    break
                yield frame
            if not restart:
                return
            yield Printed(0, CLEAR_SCREEN)

    async def _wait_for(self, offset: int) -> bool:
        """Return when it is the frame's time. False when playing has to begin anew, for a seek back."""
        while True:
            if self._seek_to is not None:
                target, self._seek_to = self._seek_to, None
                is_behind = target < self._now()
                self._position, self._marked = target, self._clock.monotonic()
                if is_behind:
                    return False
            ahead = offset - self._now()
            if ahead <= 0 and not self._is_paused:
                return True
            if ahead <= 0 and offset <= self._position:
                return True
            if self._skip_idle and ahead > IDLE_LIMIT.total_seconds() * 1000 and not self._is_paused:
                self._position, self._marked = offset - IDLE_LIMIT.total_seconds() * 1000, self._clock.monotonic()
                continue
            await self._pass_time(None if self._is_paused else ahead / self._speed / 1000)

    async def _pass_time(self, seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _now(self) -> float:
        if self._is_paused:
            return self._position
        return self._position + (self._clock.monotonic() - self._marked) * 1000 * self._speed

    def _mark(self) -> None:
        self._position, self._marked = self._now(), self._clock.monotonic()
