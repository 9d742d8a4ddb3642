"""Time as a value handed down, so that a test may move it and nothing reads the wall behind our back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time. `now` is UTC and may jump; `monotonic` (seconds) never goes back."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock

    def monotonic(self) -> float:
        return time.monotonic()


class MovedClock:
    """The system clock moved by an offset that whoever holds it may change."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self._system = SystemClock()
        self.offset = offset

    def now(self) -> datetime:
        return self._system.now() + self.offset

    def monotonic(self) -> float:
        return self._system.monotonic() + self.offset.total_seconds()

    def advance(self, by: timedelta) -> None:
        self.offset += by
