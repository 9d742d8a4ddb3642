"""Puts what the kernel tells into the order in which it happened: processors are read one after the other."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from teleport.engines.kernel_recording.seen import Seen

MAX_HELD = 20_000
_WHEN = attrgetter("at")


class Sequence:
    """What happened before one tick has arrived by the next: until then it is held."""

    def __init__(self) -> None:
        self._held: list[Seen] = []
        self._tick = 0
        self.complete = 0
        """When the last of what was handed out can have happened: all before it has been."""

    def add(self, seen: Seen) -> list[Seen]:
        """What can be held no longer: empty but in a flood without ticks."""
        self._held.append(seen)
        return self.rest() if len(self._held) >= MAX_HELD else []

    def tick(self, at: int) -> list[Seen]:
        """What is complete now."""
        self.complete, self._tick = self._tick, at
        self._held.sort(key=_WHEN)
        count = bisect_right(self._held, self.complete, key=_WHEN)
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def rest(self) -> list[Seen]:
        """All of it: nothing more comes."""
        self._held.sort(key=_WHEN)
        held, self._held = self._held, []
        return held
