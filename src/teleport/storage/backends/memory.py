"""A backend in memory, for tests and for trying out. It keeps every promise but to outlive the process."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

from teleport.foundation.clock import Clock
from teleport.foundation.errors import NotFound, Unavailable
from teleport.storage.backend import Backend, Item, ItemChange, Operation, Watch, check_operations
from teleport.storage.ledger import Head, Ledger, last_per_key
from teleport.storage.sweeping import Sweeper
from teleport.storage.watching import Watchers

_RETAINED_CHANGES = 10_000


class MemoryBackend(Backend):
    """Made inside a running event loop."""

    def __init__(self, clock: Clock, *, retained_changes: int = _RETAINED_CHANGES) -> None:
        self._clock = clock
        self._items: dict[str, Item] = {}
        self._keys: list[str] = []
        self._revision = 0
        self._log: deque[ItemChange] = deque(maxlen=retained_changes)
        self._watchers = Watchers()
        self._is_closed = False
        self._sweeper = Sweeper(self.sweep)

    async def transact(self, operations: Sequence[Operation]) -> list[int]:
        self._check_open()
        check_operations(operations)
        ledger = self._ledger([operation.key for operation in operations])
        revisions = ledger.transact(operations)
        self._keep(ledger)
        return revisions

    async def get(self, key: str) -> Item:
        self._check_open()
        item = self._items.get(key)
        if item is None or not _head(item).is_live(self._clock.now()):
            raise NotFound(f"{key} is not found")
        return item

    async def range(self, start: str, end: str, limit: int = 0) -> list[Item]:
        self._check_open()
        now = self._clock.now()
        found: list[Item] = []
        for key in self._between(start, end):
            if limit and len(found) == limit:
                break
            item = self._items[key]
            if _head(item).is_live(now):
                found.append(item)
        return found

    async def delete_range(self, start: str, end: str) -> int:
        self._check_open()
        ledger = self._ledger(self._between(start, end))
        count = ledger.delete_range(start, end)
        self._keep(ledger)
        return count

    async def revision(self) -> int:
        self._check_open()
        return self._revision

    def watch(self, prefix: str = "", after_revision: int | None = None) -> Watch:
        self._check_open()
        if after_revision is None or after_revision == self._revision:
            return self._watchers.begin(prefix, self._revision)
        oldest = self._log[0].revision if self._log else self._revision + 1
        if after_revision > self._revision or after_revision < oldest - 1:
            return self._watchers.begin_with_gap(self._revision)
        missed = [change for change in self._log if change.revision > after_revision]
        return self._watchers.begin(prefix, after_revision, last_per_key(missed))

    async def sweep(self) -> int:
        self._check_open()
        now = self._clock.now()
        expired = [key for key, item in self._items.items() if not _head(item).is_live(now)]
        ledger = self._ledger(expired)
        count = ledger.sweep(expired)
        self._keep(ledger)
        return count

    async def close(self) -> None:
        self._is_closed = True
        self._watchers.close()
        await self._sweeper.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("the backend is closed")

    def _between(self, start: str, end: str) -> list[str]:
        return self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]

    def _ledger(self, keys: Sequence[str]) -> Ledger:
        heads = {key: _head(self._items[key]) for key in keys if key in self._items}
        return Ledger(heads, self._revision, self._clock.now())

    def _keep(self, ledger: Ledger) -> None:
        for key, change in ledger.final.items():
            self._write(key, change)
        for key, expires in ledger.extended.items():
            item = self._items[key]
            self._items[key] = Item(key, item.value, item.revision, expires)
        self._revision = ledger.revision
        self._log.extend(ledger.changes)
        self._watchers.publish(ledger.changes)

    def _write(self, key: str, change: ItemChange) -> None:
        if change.op == "put":
            if key not in self._items:
                insort(self._keys, key)
            self._items[key] = Item(key, change.value, change.revision, change.expires)
        else:
            del self._items[key]
            del self._keys[bisect_left(self._keys, key)]


def _head(item: Item) -> Head:
    return Head(item.revision, item.expires)
