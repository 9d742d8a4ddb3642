"""One watch, many subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.service import TaskOwner
from teleport.model.resource import Metadata
from teleport.model.resources.cert_authority import CertAuthority, CertAuthoritySpec
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.model.resources.user_secrets import UserSecrets
from teleport.storage.backend import Backend, Gap
from teleport.storage.feed import Change, Feed, Snapshot, Subscription, local_source
from teleport.storage.store import Store


@pytest.fixture
def store(backend: Backend, clock: MovedClock) -> Store:
    return Store(backend, clock)


@asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[Feed]:
    tasks, started = TaskOwner("test"), asyncio.Event()
    tasks.start(feed.run(started.set))
    async with asyncio.timeout(20):
        await started.wait()
    yield feed
    await tasks.close()


@pytest.fixture
async def feed(backend: Backend) -> AsyncIterator[Feed]:
    async with running(Feed(backend, replay=20, queue=10)) as feed:
        yield feed


async def take(subscription: Subscription, count: int) -> list[Change]:
    async with asyncio.timeout(20):
        messages = [await anext(subscription) for _ in range(count)]
    assert all(isinstance(message, Change) for message in messages)
    return [message for message in messages if isinstance(message, Change)]


def role(name: str, description: str = "") -> Role:
    return Role(metadata=Metadata(name=name, description=description))


async def test_each_subscriber_gets_its_kinds_typed_and_in_order(store: Store, feed: Feed) -> None:
    roles, both = feed.subscribe(["role"]), feed.subscribe(["role", "user"])
    admin = await store.create(role("admin"))
    alice = await store.create(User(metadata=Metadata(name="alice")))
    await store.backend.put("/no-kind/x", b"not a resource")
    await store.delete(Role, "admin")
    last = await store.backend.revision()
    expected = [
        Change(int(admin.revision), "role", "admin", "put", admin),
        Change(int(alice.revision), "user", "alice", "put", alice),
        Change(last, "role", "admin", "delete"),
    ]
    assert await take(both, 3) == expected
    assert await take(roles, 2) == [expected[0], expected[2]]
    assert feed.revision == last


async def test_secrets_are_told_only_to_who_names_them(store: Store, feed: Feed) -> None:
    everything, secrets = feed.subscribe(), feed.subscribe(["user_secrets"])
    await store.create(UserSecrets(metadata=Metadata(name="alice")))
    await store.create(role("after"))
    assert [change.kind for change in await take(everything, 1)] == ["role"]
    assert [change.name for change in await take(secrets, 1)] == ["alice"]


async def test_a_change_is_named_as_the_store_names_it(store: Store, feed: Feed) -> None:
    subscription = feed.subscribe(["cert_authority"])
    authority = CertAuthority(sub_kind="host", metadata=Metadata(name="x"), spec=CertAuthoritySpec(type="host"))
    await store.create(authority)
    await store.delete(CertAuthority, "host/x")
    assert [change.name for change in await take(subscription, 2)] == ["host/x", "host/x"]


async def test_who_comes_back_is_told_what_it_missed(store: Store, feed: Feed) -> None:
    subscription = feed.subscribe(["role"])
    seen = (await store.create(role("1"))).revision
    await store.create(role("2"))
    await take(subscription, 2)
    again = feed.subscribe(["role"], after=int(seen))
    await store.create(role("3"))
    assert [change.name for change in await take(again, 2)] == ["2", "3"]


async def test_who_comes_back_too_late_is_told_of_a_gap(store: Store, feed: Feed) -> None:
    follower = feed.subscribe(["role"])
    seen = int((await store.create(role("first"))).revision)
    for number in range(25):
        await store.create(role(f"{number}"))
        await take(follower, 1)
    late = feed.subscribe(["role"], after=seen)
    assert [type(message) async for message in late] == [Gap]


async def test_a_slow_subscriber_gets_a_gap_and_holds_up_nobody(store: Store, feed: Feed) -> None:
    slow, lively = feed.subscribe(["role"]), feed.subscribe(["role"])
    for number in range(30):
        await store.create(role(f"{number:02}"))
        assert [change.name for change in await take(lively, 1)] == [f"{number:02}"]
    messages = [message async for message in slow]
    assert len(messages) == 1
    assert isinstance(messages[0], Gap)
    assert feed.subscriber_count == 1


async def test_a_change_that_cannot_be_read_is_a_gap_and_not_silence(store: Store, feed: Feed) -> None:
    subscription = feed.subscribe(["lock"])
    await store.backend.put("/lock/x", b'{"kind":"lock","from_the_future":1}')
    async with asyncio.timeout(20):
        assert [type(message) async for message in subscription] == [Gap]
    after = feed.subscribe(["role"])
    await store.create(role("admin"))
    assert [change.name for change in await take(after, 1)] == ["admin"]


async def test_a_closed_subscription_ends_for_who_waits_in_it(feed: Feed) -> None:
    subscription = feed.subscribe()
    waiting = asyncio.get_running_loop().create_task(_count(subscription))
    await asyncio.sleep(0)
    subscription.close()
    assert await waiting == 0
    assert feed.subscriber_count == 0


async def _count(subscription: Subscription) -> int:
    return len([message async for message in subscription])


async def test_a_local_source_is_a_snapshot_then_changes(store: Store, feed: Feed) -> None:
    for number in range(3):
        await store.create(role(f"{number}"))
    source = local_source(store, feed, ["role", "user"])
    first = await anext(source)
    assert isinstance(first, Snapshot)
    assert [resource.name for resource in first.resources] == ["0", "1", "2"]
    await store.create(User(metadata=Metadata(name="alice")))
    async with asyncio.timeout(20):
        second = await anext(source)
    assert isinstance(second, Change)
    assert (second.kind, second.name, second.revision) == ("user", "alice", first.revision + 1)


async def test_after_a_gap_a_local_source_gives_a_new_snapshot(store: Store, feed: Feed) -> None:
    source = local_source(store, feed, ["role"])
    assert isinstance(await anext(source), Snapshot)
    for number in range(15):
        await store.create(role(f"{number}"))
    watcher = feed.subscribe(["role"], after=await store.backend.revision() - 1)
    await take(watcher, 1)
    async with asyncio.timeout(20):
        assert isinstance(await anext(source), Gap)
        again = await anext(source)
    assert isinstance(again, Snapshot)
    assert len(again.resources) == 15
