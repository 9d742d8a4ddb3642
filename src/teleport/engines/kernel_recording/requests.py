"""Requests made through io_uring: what was asked for and what came of it are told apart, in either order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from teleport.engines.kernel_recording.seen import Connected, Opened

UNKNOWN = -115
"""The result where none was told: in progress (EINPROGRESS)."""
PATIENCE = 2_000_000_000
"""Nanoseconds that a result is waited for."""
MAX_WAITING = 4096

Asked = Opened | Connected
Key = tuple[int, int]
"""When it was asked for, and the kernel's number of the request."""


@dataclass
class Requests:
    """Each method gives what is complete by then."""

    _asked: dict[Key, Asked] = field(default_factory=dict)
    _results: dict[Key, int] = field(default_factory=dict)

    def ask(self, number: int, asked: Asked) -> list[Asked]:
        key = asked.at, number
        if key in self._results:
            return [replace(asked, result=self._results.pop(key))]
        self._asked[key] = asked
        return [self._asked.pop(next(iter(self._asked)))] if len(self._asked) > MAX_WAITING else []

    def answer(self, at: int, number: int, result: int) -> list[Asked]:
        """Also of what was told without waiting longer, or was no connection of a network."""
        asked = self._asked.pop((at, number), None)
        if asked is not None:
            return [replace(asked, result=result)]
        self._results[at, number] = result
        if len(self._results) > MAX_WAITING:
            del self._results[next(iter(self._results))]
        return []

    def tick(self, at: int) -> list[Asked]:
        """What has waited too long."""
        for late in [key for key in self._results if key[0] < at - PATIENCE]:
            del self._results[late]
        return [self._asked.pop(key) for key in tuple(self._asked) if key[0] < at - PATIENCE]
