"""Waiting between attempts: exponential, capped, with full jitter so that a crowd does not return at once."""

from __future__ import annotations

import random
from datetime import timedelta


class Backoff:
    """Successive delays: each drawn evenly from half the current step to the whole of it, doubling up to `limit`."""

    def __init__(
        self, first: timedelta = timedelta(milliseconds=500), limit: timedelta = timedelta(seconds=30)
    ) -> None:
        self._first = first
        self._limit = limit
        self._step = first

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt."""
        step = self._step.total_seconds()
        self._step = min(self._step * 2, self._limit)
        return random.uniform(step / 2, step)  # noqa: S311 - spreads load, protects nothing

    def reset(self) -> None:
        """An attempt went well: start again from the first step."""
        self._step = self._first
