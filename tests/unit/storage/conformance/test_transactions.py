"""All or nothing, and races between writers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import AlreadyExists, BadParameter, LimitExceeded, NotFound, RevisionConflict
from teleport.storage.backend import (
    MAX_OPERATIONS,
    MAX_VALUE_BYTES,
    Backend,
    Check,
    Create,
    Delete,
    Extend,
    ItemChange,
    Operation,
    Put,
    Swap,
)


async def test_all_operations_happen(backend: Backend, clock: MovedClock) -> None:
    swapped, deleted = await backend.put("/swap", b"1"), await backend.put("/delete", b"1")
    kept = await backend.put("/extend", b"1", expires=clock.now() + timedelta(hours=1))
    later = clock.now().replace(microsecond=0) + timedelta(hours=2)
    revisions = await backend.transact(
        [
            Check("/extend-not", None),
            Create("/create", b"2"),
            Swap("/swap", b"2", swapped),
            Delete("/delete", deleted),
            Extend("/extend", later),
            Put("/put", b"2"),
        ]
    )
    found = {item.key: (item.value, item.revision) for item in await backend.range("/", "0")}
    assert found == {
        "/create": (b"2", revisions[1]),
        "/swap": (b"2", revisions[2]),
        "/extend": (b"1", kept),
        "/put": (b"2", revisions[5]),
    }
    assert (await backend.get("/extend")).expires == later
    assert revisions[4] == kept


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (Create("/there", b""), AlreadyExists),
        (Check("/there", None), AlreadyExists),
        (Check("/there", 999), RevisionConflict),
        (Swap("/there", b"", 999), RevisionConflict),
        (Delete("/there", 999), RevisionConflict),
        (Swap("/absent", b"", 1), NotFound),
        (Check("/absent", 1), NotFound),
        (Delete("/absent"), NotFound),
        (Put("/big", b"x" * (MAX_VALUE_BYTES + 1)), LimitExceeded),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
@pytest.mark.parametrize("position", [0, 1])
async def test_one_refused_operation_refuses_all(
    backend: Backend, refused: Operation, error: type[Exception], position: int
) -> None:
    await backend.put("/there", b"1")
    before = (await backend.range("/", "0"), await backend.revision())
    operations: list[Operation] = [Put("/other", b"2")]
    operations.insert(position, refused)
    with pytest.raises(error):
        await backend.transact(operations)
    assert (await backend.range("/", "0"), await backend.revision()) == before


async def test_a_condition_may_hold_a_write_to_another_key(backend: Backend) -> None:
    read = await backend.put("/role", b"1")
    await backend.transact([Check("/role", read), Put("/user", b"1")])
    await backend.put("/role", b"2")
    with pytest.raises(RevisionConflict):
        await backend.transact([Check("/role", read), Put("/user", b"2")])
    assert (await backend.get("/user")).value == b"1"


async def test_the_same_key_twice_is_refused(backend: Backend) -> None:
    with pytest.raises(BadParameter, match="twice"):
        await backend.transact([Put("/k", b"1"), Delete("/k")])


async def test_too_many_operations_and_none_are_refused(backend: Backend) -> None:
    with pytest.raises(LimitExceeded):
        await backend.transact([Put(f"/{n}", b"") for n in range(MAX_OPERATIONS + 1)])
    with pytest.raises(BadParameter):
        await backend.transact([])


async def test_one_of_many_creators_wins(backend: Backend) -> None:
    outcomes = await asyncio.gather(
        *(backend.create("/k", str(number).encode()) for number in range(50)), return_exceptions=True
    )
    winners = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 49
    assert (await backend.get("/k")).value == str(winners[0]).encode()


async def test_no_increment_is_lost_between_racing_swappers(backend: Backend) -> None:
    await backend.put("/counter", b"0")
    conflicts = 0

    async def increment() -> None:
        nonlocal conflicts
        while True:
            item = await backend.get("/counter")
            await asyncio.sleep(0)  # let the others read the same
            try:
                await backend.swap("/counter", str(int(item.value) + 1).encode(), item.revision)
            except RevisionConflict:
                conflicts += 1
            else:
                return

    async def worker() -> None:
        for _ in range(10):
            await increment()

    await asyncio.gather(*(worker() for _ in range(8)))
    assert (await backend.get("/counter")).value == b"80"
    assert conflicts > 0


async def test_writers_that_share_a_commit_do_not_share_a_refusal(backend: Backend) -> None:
    read = await backend.put("/k", b"1")
    outcomes = await asyncio.gather(
        backend.put("/a", b"1"),
        backend.swap("/k", b"2", read + 100),
        backend.swap("/k", b"3", read),
        backend.delete("/absent"),
        backend.create("/b", b"1"),
        backend.delete_range("/a", "/c"),
        backend.create("/b", b"2"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [int, RevisionConflict, int, NotFound, int, int, int]
    assert outcomes[5] == 2
    assert [(item.key, item.value) for item in await backend.range("/", "0")] == [("/b", b"2"), ("/k", b"3")]


async def test_what_one_commit_deletes_twice_is_deleted_once(backend: Backend) -> None:
    await backend.put("/a", b"1")
    watch = backend.watch()
    outcomes = await asyncio.gather(backend.delete("/a"), backend.delete_range("/a", "/c"), backend.put("/b", b"1"))
    assert outcomes[1] == 0
    assert [await anext(watch) for _ in range(2)] == [
        ItemChange(outcomes[2] - 1, "/a", "delete"),
        ItemChange(outcomes[2], "/b", "put", b"1"),
    ]


async def test_a_put_right_behind_an_extension_sets_the_expiry(backend: Backend, clock: MovedClock) -> None:
    soon = clock.now().replace(microsecond=0) + timedelta(hours=1)
    await backend.put("/k", b"1", expires=soon)
    later = soon + timedelta(hours=1)
    await asyncio.gather(backend.keep_alive("/k", later), backend.put("/k", b"2", expires=soon))
    assert (await backend.get("/k")).expires == soon
    await asyncio.gather(backend.put("/k", b"3", expires=soon), backend.keep_alive("/k", later))
    assert (await backend.get("/k")).expires == later


async def test_a_cancelled_writer_does_not_hold_up_others(backend: Backend) -> None:
    leaving = asyncio.get_running_loop().create_task(_put(backend, "/leaving"))
    staying = asyncio.get_running_loop().create_task(_put(backend, "/staying"))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert (await backend.get("/staying")).value == b"1"


async def _put(backend: Backend, key: str) -> None:
    await backend.put(key, b"1")
