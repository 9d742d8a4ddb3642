"""The watchers of a backend: bounded queues filled in order, a Gap for whoever cannot keep up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from teleport.foundation.errors import Unavailable
from teleport.storage.backend import Gap, ItemChange, Watch
from teleport.storage.mailbox import Mailbox

_MOST_CHANGES = 8192
_MOST_BYTES = 64 * 1024 * 1024


class Watchers:
    """All watches of one backend. Used on the event loop only."""

    def __init__(self) -> None:
        self._open: set[_QueuedWatch] = set()
        self._is_closed = False

    def begin(self, prefix: str, after: int, missed: Iterable[ItemChange] = ()) -> Watch:
        """A watch of what comes after revision `after`, telling first what it `missed`."""
        if self._is_closed:
            raise Unavailable("the backend is closed")
        watch = _QueuedWatch(self._open, prefix, after)
        for change in missed:
            watch.offer(change)
        self._open.add(watch)
        return watch

    def begin_with_gap(self, revision: int) -> Watch:
        """A watch that says at once that changes are missing."""
        watch = _QueuedWatch(self._open, "", revision)
        watch.fall_behind(revision)
        return watch

    def publish(self, changes: Sequence[ItemChange]) -> None:
        """Tell everybody, in order. Never waits."""
        for watch in tuple(self._open) if changes else ():
            for change in changes:
                watch.offer(change)
            watch.check_keeping_up(changes[-1].revision)

    def fall_behind(self, revision: int) -> None:
        """Changes were lost for everybody."""
        for watch in tuple(self._open):
            watch.fall_behind(revision)

    def close(self) -> None:
        """End every watch with Unavailable, after what it still holds."""
        self._is_closed = True
        for watch in tuple(self._open):
            watch.lose()


class _QueuedWatch(Watch):
    def __init__(self, open_watches: set[_QueuedWatch], prefix: str, after: int) -> None:
        self._open = open_watches
        self._prefix = prefix
        self._cursor = after
        self._mailbox: Mailbox[ItemChange | Gap] = Mailbox(_MOST_CHANGES, _MOST_BYTES)

    def __aiter__(self) -> AsyncIterator[ItemChange | Gap]:
        return self

    async def __anext__(self) -> ItemChange | Gap:
        return await self._mailbox.take()

    def offer(self, change: ItemChange) -> None:
        # what a replay already told arrives a second time from the commit that was under way
        if change.revision > self._cursor and change.key.startswith(self._prefix):
            self._cursor = change.revision
            self._mailbox.put(change, len(change.value))

    def check_keeping_up(self, revision: int) -> None:
        if self._mailbox.is_overfull:
            self.fall_behind(revision)

    def fall_behind(self, revision: int) -> None:
        self._open.discard(self)
        self._mailbox.end_with(Gap(revision))

    def lose(self) -> None:
        self._open.discard(self)
        self._mailbox.end(Unavailable("the backend was closed"))

    def close(self) -> None:
        self._open.discard(self)
        self._mailbox.discard()
        self._mailbox.end()
