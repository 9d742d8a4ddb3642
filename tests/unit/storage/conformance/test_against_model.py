"""Random operations: every backend does what a plain dictionary would do."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import AlreadyExists, NotFound, RevisionConflict, TeleportError
from teleport.storage.backend import (
    Backend,
    Check,
    Create,
    Delete,
    Extend,
    Item,
    ItemChange,
    Operation,
    Put,
    Swap,
    Watch,
    end_of,
)
from teleport.storage.backends.memory import MemoryBackend
from teleport.storage.backends.sqlite import SqliteBackend

KEYS = ("/a", "/a/1", "/a/2", "/b/é", "/b/\U0001f511")


class Write(Struct, frozen=True):
    """One drawn operation; `age` says how many writes back the revision it uses was seen."""

    kind: str
    key: str
    value: bytes
    age: int
    minutes: int | None


class Advance(Struct, frozen=True):
    minutes: int


class DeleteRange(Struct, frozen=True):
    start: str
    end: str


class Sweep(Struct, frozen=True):
    pass


WRITES = st.builds(
    Write,
    kind=st.sampled_from(["create", "put", "swap", "delete", "delete-at", "extend", "check", "check-absent"]),
    key=st.sampled_from(KEYS),
    value=st.binary(max_size=3),
    age=st.integers(0, 2),
    minutes=st.none() | st.integers(1, 5),
)
STEPS = st.one_of(
    st.lists(WRITES, min_size=1, max_size=3, unique_by=lambda write: write.key),
    st.builds(Advance, minutes=st.integers(1, 3)),
    st.builds(DeleteRange, start=st.sampled_from(KEYS), end=st.sampled_from([*KEYS, end_of("/a/")])),
    st.builds(Sweep),
)


class Dictionary:
    """The model: what the promise says, said as simply as possible. Expiry is looked up, never swept."""

    def __init__(self, clock: MovedClock) -> None:
        self._clock = clock
        self._items: dict[str, Item] = {}
        self.revisions: dict[str, list[int]] = {key: [0] for key in KEYS}

    def live(self) -> dict[str, Item]:
        now = self._clock.now()
        return {key: item for key, item in self._items.items() if item.expires is None or item.expires > now}

    def refusal(self, operation: Operation) -> type[TeleportError] | None:
        item = self.live().get(operation.key)
        if isinstance(operation, Put):
            return None
        if isinstance(operation, Create) or (isinstance(operation, Check) and operation.revision is None):
            return AlreadyExists if item else None
        if item is None:
            return NotFound
        revision = None if isinstance(operation, Extend) else operation.revision
        return RevisionConflict if revision not in (None, item.revision) else None

    def perform(self, operation: Operation, revision: int) -> None:
        if isinstance(operation, Create | Put | Swap):
            self._items[operation.key] = Item(operation.key, operation.value, revision, operation.expires)
            self.revisions[operation.key].append(revision)
        elif isinstance(operation, Delete):
            del self._items[operation.key]
        elif isinstance(operation, Extend):
            item = self._items[operation.key]
            self._items[operation.key] = Item(item.key, item.value, item.revision, operation.expires)

    def delete_range(self, start: str, end: str) -> int:
        keys = [key for key in self.live() if start <= key < end]
        for key in keys:
            del self._items[key]
        return len(keys)


def _operation(write: Write, model: Dictionary, now: datetime) -> Operation:
    expires = None if write.minutes is None else now + timedelta(minutes=write.minutes)
    seen = model.revisions[write.key]
    revision = seen[max(-len(seen), -1 - write.age)]
    operations: dict[str, Operation] = {
        "create": Create(write.key, write.value, expires),
        "put": Put(write.key, write.value, expires),
        "swap": Swap(write.key, write.value, revision, expires),
        "delete": Delete(write.key),
        "delete-at": Delete(write.key, revision),
        "extend": Extend(write.key, expires or now + timedelta(minutes=9)),
        "check": Check(write.key, revision),
        "check-absent": Check(write.key, None),
    }
    return operations[write.kind]


async def _transact(backend: Backend, model: Dictionary, operations: list[Operation]) -> None:
    refusals = [refusal for refusal in map(model.refusal, operations) if refusal is not None]
    if refusals:
        with pytest.raises(refusals[0]):
            await backend.transact(operations)
        return
    for operation, revision in zip(operations, await backend.transact(operations), strict=True):
        model.perform(operation, revision)


async def _told_state(watch: Watch, revision: int) -> dict[str, bytes]:
    """What someone knows who only watched."""
    state: dict[str, bytes] = {}
    seen = 0
    while seen < revision:
        async with asyncio.timeout(20):
            change = await anext(watch)
        assert isinstance(change, ItemChange)
        assert change.revision > seen
        seen = change.revision
        if change.op == "put":
            state[change.key] = change.value
        else:
            state.pop(change.key, None)
    return state


async def _live_a_life(backend: Backend, clock: MovedClock, steps: list[object]) -> None:
    model = Dictionary(clock)
    from_the_start = backend.watch()
    for step in steps:
        if isinstance(step, list):
            await _transact(backend, model, [_operation(write, model, clock.now()) for write in step])
        elif isinstance(step, Advance):
            clock.advance(timedelta(minutes=step.minutes))
        elif isinstance(step, DeleteRange):
            assert await backend.delete_range(step.start, step.end) == model.delete_range(step.start, step.end)
        else:
            await backend.sweep()
        assert {item.key: item for item in await backend.range("/", "0")} == model.live()
    await backend.sweep()
    live = {key: item.value for key, item in model.live().items()}
    revision = await backend.revision()
    assert await _told_state(from_the_start, revision) == live
    resumed = backend.watch(after_revision=0)
    assert revision == 0 or await _told_state(resumed, revision) == live


# the moved clock runs on between a call and its check: expiries are whole minutes apart, so that this does not show
_SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_SETTINGS
@given(st.lists(STEPS, max_size=25))
def test_memory_does_what_a_dictionary_would_do(steps: list[object]) -> None:
    async def run() -> None:
        clock = MovedClock()
        backend = MemoryBackend(clock)
        try:
            await _live_a_life(backend, clock, steps)
        finally:
            await backend.close()

    asyncio.run(run())


@_SETTINGS
@given(st.lists(STEPS, max_size=25))
def test_sqlite_does_what_a_dictionary_would_do(steps: list[object]) -> None:
    async def run(directory: Path) -> None:
        clock = MovedClock()
        backend = await SqliteBackend.open(directory, clock, synchronous="OFF")
        try:
            await _live_a_life(backend, clock, steps)
        finally:
            await backend.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory)))
