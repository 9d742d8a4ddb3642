"""The watchers of a backend: bounded queues filled in order, a Gap for whoever cannot keep up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence

from teleport.foundation.errors import Unavailable
from teleport.storage.backend import Gap, ItemChange, Watch

_MOST_CHANGES = 8192
_MOST_BYTES = 64 * 1024 * 1024


class Watchers:
    """All watches of one backend. Used on the event loop only."""

    def __init__(self, most_changes: int = _MOST_CHANGES, most_bytes: int = _MOST_BYTES) -> None:
        self._most_changes = most_changes
        self._most_bytes = most_bytes
        self._open: set[_QueuedWatch] = set()
        self._is_closed = False

    def begin(self, prefix: str, after: int, missed: Iterable[ItemChange] = ()) -> Watch:
        """A watch of what comes after revision `after`, telling first what it `missed`."""
        if self._is_closed:
            raise Unavailable("the backend is closed")
        watch = _QueuedWatch(self._open, prefix, after)
        for change in missed:
            watch.offer(change, self._most_changes, self._most_bytes, is_replay=True)
        self._open.add(watch)
        return watch

    def begin_with_gap(self, revision: int) -> Watch:
        """A watch that says at once that changes are missing."""
        watch = _QueuedWatch(self._open, "", revision)
        watch.fall_behind(revision)
        return watch

    def publish(self, changes: Sequence[ItemChange]) -> None:
        """Tell everybody, in order. Never waits."""
        for watch in tuple(self._open):
            for change in changes:
                watch.offer(change, self._most_changes, self._most_bytes)
                if watch.is_ended:
                    break

    def fall_behind(self, revision: int) -> None:
        """Changes were lost for everybody."""
        for watch in tuple(self._open):
            watch.fall_behind(revision)

    def close(self) -> None:
        """End every watch with Unavailable, after what it still holds."""
        self._is_closed = True
        for watch in tuple(self._open):
            watch.lose(Unavailable("the backend was closed"))


class _QueuedWatch(Watch):
    def __init__(self, open_watches: set[_QueuedWatch], prefix: str, after: int) -> None:
        self._open = open_watches
        self._prefix = prefix
        self._cursor = after
        self._queue: deque[ItemChange | Gap] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Unavailable | None = None
        self.is_ended = False

    def __aiter__(self) -> AsyncIterator[ItemChange | Gap]:
        return self

    async def __anext__(self) -> ItemChange | Gap:
        while not self._queue:
            if self._failure is not None:
                raise Unavailable(self._failure.message)
            if self.is_ended:
                raise StopAsyncIteration
            assert self._waiter is None, "one reader a watch"
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._queue.popleft()
        if isinstance(message, ItemChange):
            self._bytes -= len(message.value)
        return message

    def offer(self, change: ItemChange, most_changes: int, most_bytes: int, *, is_replay: bool = False) -> None:
        # what a replay already told arrives a second time from the commit that was under way
        if self.is_ended or change.revision <= self._cursor or not change.key.startswith(self._prefix):
            return
        self._cursor = change.revision
        self._bytes += len(change.value)
        self._queue.append(change)
        if not is_replay and (len(self._queue) > most_changes or self._bytes > most_bytes):
            self.fall_behind(change.revision)
        self._wake()

    def fall_behind(self, revision: int) -> None:
        self._queue.clear()
        self._bytes = 0
        self._queue.append(Gap(revision))
        self._end()

    def lose(self, failure: Unavailable) -> None:
        self._failure = failure
        self._end()

    def close(self) -> None:
        self._queue.clear()
        self._end()

    def _end(self) -> None:
        self.is_ended = True
        self._open.discard(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
