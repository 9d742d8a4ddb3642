"""A backend whose calls are counted and timed for `/metrics`, under the names of the reference."""

from __future__ import annotations

from collections.abc import Sequence

from teleport.foundation import metrics
from teleport.storage.backend import Backend, Item, Operation, Watch

_WRITES = metrics.counter("backend_write_requests", "Changes of one item")
_WRITE_SECONDS = metrics.histogram("backend_write_seconds", "Time until a change of one item was durable")
_BATCHES = metrics.counter("backend_batch_write_requests", "Changes of several items at once")
_BATCH_SECONDS = metrics.histogram("backend_batch_write_seconds", "Time until they were durable")
_READS = metrics.counter("backend_read_requests", "Items read")
_READ_SECONDS = metrics.histogram("backend_read_seconds", "Time to read an item")
_RANGES = metrics.counter("backend_batch_read_requests", "Ranges of items read")
_RANGE_SECONDS = metrics.histogram("backend_batch_read_seconds", "Time to read a range")


class MeasuredBackend(Backend):
    """Passes everything on."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def transact(self, operations: Sequence[Operation]) -> list[int]:
        is_one = len(operations) == 1
        (_WRITES if is_one else _BATCHES).inc()
        with (_WRITE_SECONDS if is_one else _BATCH_SECONDS).time():
            return await self._backend.transact(operations)

    async def get(self, key: str) -> Item:
        _READS.inc()
        with _READ_SECONDS.time():
            return await self._backend.get(key)

    async def range(self, start: str, end: str, limit: int = 0) -> list[Item]:
        _RANGES.inc()
        with _RANGE_SECONDS.time():
            return await self._backend.range(start, end, limit)

    async def delete_range(self, start: str, end: str) -> int:
        _BATCHES.inc()
        with _BATCH_SECONDS.time():
            return await self._backend.delete_range(start, end)

    async def revision(self) -> int:
        return await self._backend.revision()

    def watch(self, prefix: str = "", after_revision: int | None = None) -> Watch:
        return self._backend.watch(prefix, after_revision)

    async def sweep(self) -> int:
        return await self._backend.sweep()

    async def close(self) -> None:
        await self._backend.close()
