"""What a session shows to those who watch it, without ever waiting for them.

Light output goes out at once. Under heavy output watchers are shown a share each turn, so that the session itself is
hardly slowed; they catch up when it rests, or when too much waits. Whoever falls further behind than the backlog
reaches is dropped: what a session holds for its watchers is bounded, however many and however slow they are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

TURN = 0.02
"""Seconds between two turns while something waits."""
SHARE = 32 << 10
"""Bytes a watcher is shown in one turn while the session is busy."""
PRESSING = 12 << 20
"""From here on watchers are shown all they take, busy or not, as fast as the session goes on."""
BACKLOG = 16 << 20
HISTORY = 32 << 10
"""Bytes of the past that a newcomer is shown."""
_SMALL = 1 << 10


class Watcher(Protocol):
    """Neither `show` nor `drop` blocks or fails."""

    @property
    def room(self) -> int:
        """Bytes it takes now without piling up."""
        ...

    def show(self, output: bytes) -> None: ...

    def drop(self) -> None:
        """It fell too far behind; nothing more is shown to it."""
        ...


class Broadcast:
    """The output of one session, in one copy, and how far each watcher has come."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._start = 0
        """Position of the first piece; positions count all bytes ever shown."""
        self._end = 0
        self._watchers: dict[Watcher, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._since_turn = 0

    def add(self, watcher: Watcher) -> None:
        """It sees the last of the past, then everything from now on."""
        start = max(self._start, self._end - HISTORY)
        past = self._read(start, self._end - start)
        if start > 0:
            past = past[past.find(b"\n") + 1 :]  # whole lines: a start within an escape sequence would be garbage
        self._watchers[watcher] = self._end
        if past:
            watcher.show(past)

    def remove(self, watcher: Watcher) -> None:
        self._watchers.pop(watcher, None)
        self._trim()

    def write(self, output: bytes) -> None:
        if self._pieces and len(self._pieces[-1]) < _SMALL:
            self._pieces[-1] += output  # single keys would cost far more than they are
        else:
            self._pieces.append(output)
        self._end += len(output)
        if self._watchers:
            self._since_turn += len(output)
            if self._timer is None or (self._since_turn > SHARE and self._end - self._start > PRESSING):
                self._turn()
            self._drop_the_late()
        self._trim()

    def finish(self) -> None:
        """The session is over: everybody is shown the rest."""
        self._stop()
        for watcher in tuple(self._watchers):
            self._advance(watcher, self._end)
        self._watchers.clear()
        self._pieces.clear()
        self._start = self._end

    def _turn(self) -> None:
        is_busy = self._since_turn > SHARE
        had_output, self._since_turn = self._since_turn > 0, 0
        for watcher, position in tuple(self._watchers.items()):
            waiting = self._end - position
            share = SHARE if is_busy and waiting < PRESSING else waiting
            if waiting:
                self._advance(watcher, min(share, watcher.room))
        self._trim()
        self._stop()
        if had_output or any(position < self._end for position in self._watchers.values()):
            self._timer = asyncio.get_running_loop().call_later(TURN, self._turn)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self, watcher: Watcher, size: int) -> None:
        position = self._watchers[watcher]
        output = self._read(position, size)
        if output:
            self._watchers[watcher] = position + len(output)
            watcher.show(output)

    def _read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position`, which is still kept."""
        found: list[bytes] = []
        skip = position - self._start
        for piece in self._pieces:
            if size <= 0:
                break
            if skip >= len(piece):
                skip -= len(piece)
                continue
            part = piece[skip : skip + size]
            skip = 0
            size -= len(part)
            found.append(part)
        return found[0] if len(found) == 1 else b"".join(found)

    def _drop_the_late(self) -> None:
        if self._end - self._start <= BACKLOG:
            return
        for watcher, position in tuple(self._watchers.items()):
            if self._end - position > BACKLOG:
                del self._watchers[watcher]
                watcher.drop()

    def _trim(self) -> None:
        """Forget what everybody has seen, but for the last of it."""
        needed = min([self._end - HISTORY, *self._watchers.values()])
        while self._pieces and self._start + len(self._pieces[0]) <= needed:
            self._start += len(self._pieces.popleft())
