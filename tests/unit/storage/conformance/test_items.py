"""Single items and ranges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import (
    AlreadyExists,
    BadParameter,
    LimitExceeded,
    NotFound,
    RevisionConflict,
    Unavailable,
)
from teleport.storage.backend import MAX_VALUE_BYTES, Backend, Put, end_of


async def test_a_put_item_is_read_back_with_its_revision(backend: Backend) -> None:
    expires = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    revision = await backend.put("/role/admin", b"\x00\xffvalue", expires=expires)
    item = await backend.get("/role/admin")
    assert (item.key, item.value, item.revision, item.expires) == ("/role/admin", b"\x00\xffvalue", revision, expires)


async def test_an_empty_value_is_a_value(backend: Backend) -> None:
    await backend.put("/k", b"")
    assert (await backend.get("/k")).value == b""


async def test_a_missing_item_is_not_found(backend: Backend) -> None:
    with pytest.raises(NotFound, match="/role/nobody"):
        await backend.get("/role/nobody")
    with pytest.raises(NotFound):
        await backend.delete("/role/nobody")


async def test_revisions_only_grow(backend: Backend) -> None:
    revisions = [
        await backend.put("/a", b"1"),
        await backend.put("/b", b"1"),
        await backend.put("/a", b"2"),
    ]
    await backend.delete("/a")
    revisions += [await backend.revision(), await backend.create("/a", b"3")]
    assert revisions == sorted(set(revisions))
    assert await backend.revision() == revisions[-1]


async def test_create_refuses_what_is_there(backend: Backend) -> None:
    await backend.create("/k", b"first")
    with pytest.raises(AlreadyExists, match="/k"):
        await backend.create("/k", b"second")
    assert (await backend.get("/k")).value == b"first"


async def test_swap_writes_only_over_what_was_read(backend: Backend) -> None:
    read = await backend.put("/k", b"1")
    written = await backend.swap("/k", b"2", read)
    assert written > read
    with pytest.raises(RevisionConflict, match="/k"):
        await backend.swap("/k", b"3", read)
    assert (await backend.get("/k")).value == b"2"
    with pytest.raises(NotFound):
        await backend.swap("/other", b"1", read)


async def test_delete_with_a_revision_removes_only_what_was_read(backend: Backend) -> None:
    read = await backend.put("/k", b"1")
    current = await backend.put("/k", b"2")
    with pytest.raises(RevisionConflict):
        await backend.delete("/k", read)
    await backend.delete("/k", current)
    with pytest.raises(NotFound):
        await backend.get("/k")


async def test_a_range_is_in_order_of_keys_and_leaves_out_its_end(backend: Backend) -> None:
    keys = ["/b/1", "/b/10", "/b/2", "/b/é", "/b/\U0001f600", "/b/\uffee"]
    for key in [*reversed(keys), "/a/9", "/c/0"]:
        await backend.put(key, key.encode())
    assert [item.key for item in await backend.range("/b/", end_of("/b/"))] == sorted(keys, key=str.encode)
    assert [item.key for item in await backend.range("/b/1", "/b/2")] == ["/b/1", "/b/10"]
    assert [item.key for item in await backend.range("/b/10", end_of("/b/"), 2)] == ["/b/10", "/b/2"]
    assert await backend.range("/x", "/y") == []


async def test_delete_range_counts_what_it_removed(backend: Backend) -> None:
    for key in ("/a/1", "/a/2", "/a/3", "/b/1"):
        await backend.put(key, b"")
    assert await backend.delete_range("/a/2", end_of("/a/")) == 2
    assert [item.key for item in await backend.range("/", "0")] == ["/a/1", "/b/1"]
    assert await backend.delete_range("/a/2", end_of("/a/")) == 0


async def test_a_value_above_a_mebibyte_is_refused(backend: Backend) -> None:
    await backend.put("/k", b"x" * MAX_VALUE_BYTES)
    with pytest.raises(LimitExceeded, match="/k"):
        await backend.put("/k", b"x" * (MAX_VALUE_BYTES + 1))
    assert len((await backend.get("/k")).value) == MAX_VALUE_BYTES


@pytest.mark.parametrize("key", ["", "/\0", "/" + "k" * 1024, "/\udcff"])
async def test_a_key_that_is_no_key_is_refused(backend: Backend, key: str) -> None:
    with pytest.raises(BadParameter):
        await backend.put(key, b"")


async def test_an_expiry_without_time_zone_is_refused(backend: Backend) -> None:
    with pytest.raises(BadParameter, match="time zone"):
        await backend.put("/k", b"", expires=datetime(2100, 1, 1))  # noqa: DTZ001


async def test_an_expired_item_is_absent_for_every_call(backend: Backend, clock: MovedClock) -> None:
    soon = clock.now() + timedelta(hours=1)
    read = await backend.put("/a/1", b"old", expires=soon)
    await backend.put("/a/2", b"kept")
    clock.advance(timedelta(hours=2))
    with pytest.raises(NotFound):
        await backend.get("/a/1")
    with pytest.raises(NotFound):
        await backend.swap("/a/1", b"x", read)
    with pytest.raises(NotFound):
        await backend.delete("/a/1")
    with pytest.raises(NotFound):
        await backend.keep_alive("/a/1", clock.now() + timedelta(hours=1))
    assert [item.key for item in await backend.range("/a/", end_of("/a/"))] == ["/a/2"]
    await backend.create("/a/1", b"new")
    assert (await backend.get("/a/1")).value == b"new"


async def test_a_sweep_deletes_what_has_expired_and_nothing_else(backend: Backend, clock: MovedClock) -> None:
    for number in range(5):
        await backend.put(f"/k/{number}", b"", expires=clock.now() + timedelta(hours=number + 1))
    await backend.put("/k/forever", b"")
    clock.advance(timedelta(hours=3, minutes=1))
    assert await backend.sweep() == 3
    assert await backend.sweep() == 0
    clock.advance(timedelta(hours=-3))
    assert [item.key for item in await backend.range("/k/", end_of("/k/"))] == ["/k/3", "/k/4", "/k/forever"]


async def test_a_sweep_has_no_bound(backend: Backend, clock: MovedClock) -> None:
    for number in range(0, 2500, 100):
        await backend.transact(_expiring(number, clock.now() + timedelta(minutes=1)))
    clock.advance(timedelta(minutes=2))
    assert await backend.sweep() == 2500


def _expiring(first: int, expires: datetime) -> list[Put]:
    return [Put(f"/k/{first + number}", b"", expires) for number in range(100)]


async def test_keeping_alive_moves_the_expiry_alone(backend: Backend, clock: MovedClock) -> None:
    read = await backend.put("/k", b"value", expires=clock.now() + timedelta(hours=1))
    later = (clock.now() + timedelta(hours=3)).replace(microsecond=7)
    await backend.keep_alive("/k", later)
    clock.advance(timedelta(hours=2))
    await backend.sweep()
    item = await backend.get("/k")
    assert (item.value, item.revision, item.expires) == (b"value", read, later)
    assert await backend.swap("/k", b"next", read) > read


async def test_a_closed_backend_is_unavailable(backend: Backend) -> None:
    await backend.put("/k", b"")
    await backend.close()
    await backend.close()
    with pytest.raises(Unavailable):
        await backend.put("/k", b"")
    with pytest.raises(Unavailable):
        await backend.get("/k")
    with pytest.raises(Unavailable):
        backend.watch()
