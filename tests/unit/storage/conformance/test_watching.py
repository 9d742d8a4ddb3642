"""Watching changes: order, nothing lost, nothing twice, resuming, falling behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import Unavailable
from teleport.storage.backend import Backend, Gap, ItemChange, Put, Watch

RETAINED_AT_MOST = 5000  # the suite's backends are opened to keep far fewer changes for who comes back


async def _next(watch: Watch, count: int) -> list[ItemChange]:
    async with asyncio.timeout(20):
        changes = [await anext(watch) for _ in range(count)]
    assert all(isinstance(change, ItemChange) for change in changes)
    return [change for change in changes if isinstance(change, ItemChange)]


async def _all(watch: Watch, last_revision: int) -> list[ItemChange]:
    changes: list[ItemChange] = []
    while not changes or changes[-1].revision < last_revision:
        changes += await _next(watch, 1)
    return changes


async def test_a_watch_tells_puts_and_deletions_in_order(backend: Backend, clock: MovedClock) -> None:
    expires = clock.now().replace(microsecond=0) + timedelta(hours=1)
    await backend.put("/k/before", b"0")
    watch = backend.watch("/k/")
    first = await backend.put("/k/1", b"1", expires=expires)
    await backend.put("/other", b"unseen")
    second = await backend.swap("/k/1", b"2", first)
    await backend.delete("/k/1")
    last = await backend.revision()
    assert await _next(watch, 3) == [
        ItemChange(first, "/k/1", "put", b"1", expires),
        ItemChange(second, "/k/1", "put", b"2"),
        ItemChange(last, "/k/1", "delete"),
    ]


async def test_a_refused_write_is_not_told(backend: Backend) -> None:
    await backend.put("/k", b"1")
    watch = backend.watch()
    await asyncio.gather(backend.create("/k", b"2"), backend.delete("/absent"), return_exceptions=True)
    told = await backend.put("/k", b"3")
    assert await _next(watch, 1) == [ItemChange(told, "/k", "put", b"3")]


async def test_a_range_deletion_and_a_sweep_are_told_item_by_item(backend: Backend, clock: MovedClock) -> None:
    for key in ("/a/1", "/a/2"):
        await backend.put(key, b"")
    await backend.put("/b", b"", expires=clock.now() + timedelta(minutes=1))
    watch = backend.watch()
    await backend.delete_range("/a/", "/a0")
    clock.advance(timedelta(minutes=2))
    await backend.sweep()
    assert [(change.op, change.key) for change in await _next(watch, 3)] == [
        ("delete", "/a/1"),
        ("delete", "/a/2"),
        ("delete", "/b"),
    ]


async def test_keeping_alive_is_not_told(backend: Backend, clock: MovedClock) -> None:
    await backend.put("/k", b"", expires=clock.now() + timedelta(minutes=1))
    watch = backend.watch()
    await backend.keep_alive("/k", clock.now() + timedelta(minutes=5))
    told = await backend.put("/next", b"")
    assert [change.revision for change in await _next(watch, 1)] == [told]


async def test_nothing_is_lost_and_nothing_told_twice_under_many_writers(backend: Backend) -> None:
    watches = [backend.watch("/k/")]
    written: dict[int, tuple[str, bytes]] = {}

    async def writer(number: int) -> None:
        for step in range(40):
            key, value = f"/k/{number % 5}", f"{number}.{step}".encode()
            written[await backend.put(key, value)] = (key, value)
            if step % 10 == number:
                watches.append(backend.watch("/k/", after_revision=watches_begin))

    watches_begin = await backend.revision()
    await asyncio.gather(*(writer(number) for number in range(10)))
    last = max(written)
    told = {change.revision: (change.key, change.value) for change in await _all(watches[0], last)}
    assert told == written
    for watch in watches[1:]:
        changes = await _all(watch, last)
        assert [change.revision for change in changes] == sorted({change.revision for change in changes})
        final = {key: value for _, (key, value) in sorted(written.items())}
        assert {change.key: change.value for change in changes} == final


async def test_a_watch_resumes_after_a_revision(backend: Backend) -> None:
    await backend.put("/k/1", b"1")
    seen = await backend.revision()
    await backend.put("/k/1", b"2")
    third = await backend.put("/k/2", b"3")
    fourth = await backend.put("/k/1", b"4")
    await backend.put("/k/3", b"5")
    await backend.delete("/k/3")
    fifth = await backend.revision()
    watch = backend.watch("/k/", after_revision=seen)
    sixth = await backend.put("/k/2", b"6")
    changes = await _all(watch, sixth)
    assert changes == [
        ItemChange(third, "/k/2", "put", b"3"),
        ItemChange(fourth, "/k/1", "put", b"4"),
        ItemChange(fifth, "/k/3", "delete"),
        ItemChange(sixth, "/k/2", "put", b"6"),
    ]


async def test_a_watch_from_the_beginning_sees_all(backend: Backend) -> None:
    revisions = [await backend.put(f"/k/{number}", b"") for number in range(3)]
    watch = backend.watch("/k/", after_revision=0)
    assert [change.revision for change in await _next(watch, 3)] == revisions


async def test_a_revision_no_longer_kept_is_answered_with_a_gap(backend: Backend) -> None:
    seen = await backend.put("/k/first", b"")
    for _ in range(0, RETAINED_AT_MOST, 100):
        await backend.transact([Put(f"/k/{number}", b"") for number in range(100)])
    current = await backend.revision()
    watch = backend.watch("/k/", after_revision=seen)
    assert [message async for message in watch] == [Gap(current)]
    recent = backend.watch("/k/", after_revision=current - 100)
    assert len(await _next(recent, 100)) == 100


async def test_a_revision_from_the_future_is_answered_with_a_gap(backend: Backend) -> None:
    current = await backend.put("/k", b"")
    watch = backend.watch(after_revision=current + 1)
    assert [message async for message in watch] == [Gap(current)]


async def test_a_watcher_that_falls_behind_gets_a_gap_and_others_nothing_of_it(backend: Backend) -> None:
    slow, lively = backend.watch("/k/"), backend.watch("/k/")
    told = 0
    for _ in range(100):
        await backend.transact([Put(f"/k/{number}", b"") for number in range(100)])
        told += len(await _next(lively, 100))
    messages = [message async for message in slow]
    assert len(messages) == 1
    assert isinstance(messages[0], Gap)
    assert messages[0].revision <= await backend.revision()
    assert told == 10_000
    resumed = backend.watch("/k/", after_revision=await backend.revision())
    again = await backend.put("/k/1", b"")
    assert [change.revision for change in await _next(resumed, 1)] == [again]


async def test_a_closed_watch_ends_for_who_waits_in_it(backend: Backend) -> None:
    watch = backend.watch()
    waiting = asyncio.get_running_loop().create_task(_first(watch))
    await asyncio.sleep(0)
    watch.close()
    assert await waiting is None


async def test_closing_the_backend_loses_every_watch(backend: Backend) -> None:
    watch = backend.watch()
    waiting = asyncio.get_running_loop().create_task(_first(watch))
    await asyncio.sleep(0)
    await backend.close()
    with pytest.raises(Unavailable):
        await waiting


async def _first(watch: Watch) -> ItemChange | Gap | None:
    async with asyncio.timeout(20):
        return await anext(watch, None)
