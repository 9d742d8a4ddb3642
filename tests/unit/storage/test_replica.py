"""A copy kept fresh."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import BadParameter, NotFound, Unavailable
from teleport.foundation.service import TaskOwner
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.cluster_settings import ClusterName
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.storage import replica_file
from teleport.storage.backend import Gap
from teleport.storage.backends.memory import MemoryBackend
from teleport.storage.feed import Change, Current, Feed, Message, Snapshot, Subscription, local_source
from teleport.storage.replica import Replica, Source
from teleport.storage.store import Store


class Script:
    """A source that tells what it is told to tell, one life after the other."""

    def __init__(self) -> None:
        self.lives = 0
        self._told: asyncio.Queue[Message | Exception | None] = asyncio.Queue()

    async def __call__(self) -> AsyncIterator[Message]:
        self.lives += 1
        while (message := await self._told.get()) is not None:
            if isinstance(message, Exception):
                raise message
            yield message

    def tell(self, *messages: Message | Exception | None) -> None:
        for message in messages:
            self._told.put_nowait(message)


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[Replica]:
    tasks = TaskOwner("test")
    tasks.start(replica.run(lambda: None))
    yield replica
    await tasks.close()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def replica(script: Script, clock: MovedClock) -> AsyncIterator[Replica]:
    async with running(_replica(script, clock)) as replica:
        yield replica


def _replica(source: Source, clock: MovedClock, path: Path | None = None) -> Replica:
    return Replica(["role", "node", "cluster_name"], source, clock, path=path)


def role(name: str, revision: int, description: str = "") -> Role:
    return Role(metadata=Metadata(name=name, revision=str(revision), description=description))


def node(uuid: str, hostname: str, revision: int = 1) -> Node:
    return Node(metadata=Metadata(name=uuid, revision=str(revision)), spec=NodeSpec(hostname=hostname))


def put(resource: Resource) -> Change:
    return Change(int(resource.revision), resource.kind, resource.key, "put", resource)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def at(replica: Replica, revision: int) -> None:
    await until(lambda: replica.revision == revision)


async def take(subscription: Subscription, count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(20):
        messages = [await anext(subscription) for _ in range(count)]
    return [(message.op, message.name) for message in messages if isinstance(message, Change)]


async def test_it_answers_from_a_snapshot_and_what_followed(replica: Replica, script: Script) -> None:
    script.tell(Snapshot(5, (role("b", 1), role("a", 2), ClusterName())), put(role("c", 6)))
    script.tell(Change(7, "role", "b", "delete"), put(role("a", 8, "new")))
    await at(replica, 8)
    assert [each.name for each in replica.list(Role)] == ["a", "c"]
    assert replica.get(Role, "a").metadata.description == "new"
    assert replica.find(Role, "b") is None
    assert replica.get_singleton(ClusterName).kind == "cluster_name"
    with pytest.raises(NotFound, match="role/b"):
        replica.get(Role, "b")


async def test_before_it_is_ready_nothing_is_said_to_be_absent(replica: Replica) -> None:
    with pytest.raises(Unavailable):
        replica.find(Role, "a")
    with pytest.raises(Unavailable):
        replica.list(Role)
    with pytest.raises(Unavailable):
        replica.age()


async def test_a_kind_it_does_not_hold_is_not_said_to_be_absent(replica: Replica, script: Script) -> None:
    script.tell(Snapshot(1, ()))
    await replica.ready.wait()
    with pytest.raises(BadParameter, match="user"):
        replica.find(User, "alice")


async def test_changes_that_a_snapshot_contained_do_not_turn_it_back(replica: Replica, script: Script) -> None:
    script.tell(Snapshot(5, (role("a", 7, "newest"), role("b", 7))))
    script.tell(put(role("a", 6, "older")), Change(6, "role", "b", "delete"), Current(7))
    await at(replica, 7)
    assert replica.get(Role, "a").metadata.description == "newest"
    assert replica.find(Role, "b") is not None


async def test_nodes_are_found_by_hostname_and_uuid(replica: Replica, script: Script) -> None:
    script.tell(Snapshot(1, (node("u2", "DB"), node("u1", "db"), node("u3", "web"))))
    await at(replica, 1)
    assert [each.name for each in replica.lookup(Node, "hostname", "Db")] == ["u1", "u2"]
    assert [each.name for each in replica.lookup(Node, "uuid", "U3")] == ["u3"]
    script.tell(put(node("u2", "moved", 2)), Change(3, "node", "u1", "delete"))
    await at(replica, 3)
    assert replica.lookup(Node, "hostname", "db") == ()
    assert [each.name for each in replica.lookup(Node, "hostname", "moved")] == ["u2"]
    with pytest.raises(BadParameter, match="index"):
        replica.lookup(Role, "hostname", "db")


async def test_listeners_learn_what_differs_after_a_gap(replica: Replica, script: Script) -> None:
    script.tell(Snapshot(5, (role("same", 1), role("changed", 2), role("gone", 3))))
    await at(replica, 5)
    roles, everything = replica.changes(["role"]), replica.changes()
    script.tell(Gap(9), Snapshot(9, (role("same", 1), role("changed", 8), role("new", 9), node("u1", "db"))))
    await at(replica, 9)
    assert await take(roles, 3) == [("put", "changed"), ("put", "new"), ("delete", "gone")]
    assert ("put", "u1") in await take(everything, 4)
    script.tell(put(role("last", 10)))
    assert await take(roles, 1) == [("put", "last")]


async def test_a_listener_is_told_after_the_change_was_applied(replica: Replica, script: Script) -> None:
    script.tell(Snapshot(1, ()))
    await at(replica, 1)
    listener = replica.changes(["role"])
    script.tell(put(role("a", 2)))
    assert await take(listener, 1) == [("put", "a")]
    assert replica.find(Role, "a") is not None


async def test_it_keeps_answering_while_the_source_is_away(
    replica: Replica, script: Script, clock: MovedClock
) -> None:
    script.tell(Snapshot(1, (role("a", 1),)))
    await at(replica, 1)
    script.tell(Unavailable("auth is away"))
    clock.advance(timedelta(hours=1))
    await until(lambda: script.lives == 2)
    assert replica.get(Role, "a").name == "a"
    assert timedelta(hours=1) <= replica.age() < timedelta(hours=1, minutes=1)
    script.tell(Snapshot(2, ()))
    await at(replica, 2)
    assert replica.age() < timedelta(minutes=1)
    assert replica.find(Role, "a") is None


async def test_a_sign_of_life_keeps_it_young(replica: Replica, script: Script, clock: MovedClock) -> None:
    script.tell(Snapshot(1, ()))
    await at(replica, 1)
    clock.advance(timedelta(hours=1))
    script.tell(Current(2))
    await at(replica, 2)
    assert replica.age() < timedelta(minutes=1)


async def test_a_restart_survives_an_absent_source(script: Script, clock: MovedClock, tmp_path: Path) -> None:
    path = tmp_path / "replica" / "state"
    async with running(_replica(script, clock, path)) as first:
        script.tell(Snapshot(4, (role("a", 3), node("u1", "db"), ClusterName())), put(role("b", 5)))
        await at(first, 5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["state"]
    clock.advance(timedelta(hours=2))
    async with running(_replica(Script(), clock, path)) as second:
        await second.ready.wait()
        assert [each.revision for each in second.list(Role)] == ["3", "5"]
        assert [each.name for each in second.lookup(Node, "hostname", "db")] == ["u1"]
        assert timedelta(hours=2) <= second.age() < timedelta(hours=2, minutes=1)
        assert second.revision == 5


async def test_a_stop_in_the_middle_of_a_save_waits_for_it(
    script: Script, clock: MovedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that write at once would leave a file that is neither's."""
    saves, under_way, another = list[int](), threading.Event(), threading.Event()
    save = replica_file.save

    def slow(path: Path, revision: int, *rest: Any) -> None:
        if under_way.is_set():
            another.set()
        under_way.set()
        if not saves:
            saves.append(revision)
            assert not another.wait(0.5), "the last save began within this one"
        under_way.clear()
        save(path, revision, *rest)
        saves.append(revision)

    monkeypatch.setattr(replica_file, "save", slow)
    monkeypatch.setattr("teleport.storage.replica._SAVE_EVERY", 0.01)
    path = tmp_path / "state"
    async with running(_replica(script, clock, path)) as first:
        script.tell(Snapshot(4, (role("a", 3),)))
        await at(first, 4)
        await until(under_way.is_set)
    assert saves == [4, 4, 4], "begun, done, and done again at the end"
    async with running(_replica(Script(), clock, path)) as second:
        await second.ready.wait()
        assert second.revision == 4


@pytest.mark.parametrize("damage", ["", "garbage", "cut", "cut at a line", "other kinds"])
async def test_a_damaged_file_is_not_used(script: Script, clock: MovedClock, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state"
    async with running(_replica(script, clock, path)) as first:
        script.tell(Snapshot(4, (role("a", 3), role("b", 4))))
        await at(first, 4)
    content = path.read_bytes()
    if damage == "other kinds":
        path.write_bytes(content.replace(b'"role"', b'"lock"', 1))
    else:
        cut, cut_at_line = content[: content.rindex(b"{")], content[: content.rindex(b"\n", 0, -1) + 1]
        path.write_bytes({"": b"", "garbage": b"\xff{", "cut": cut, "cut at a line": cut_at_line}[damage])
    fresh = Script()
    async with running(_replica(fresh, clock, path)) as second:
        await until(lambda: fresh.lives == 1)
        assert not second.ready.is_set()


async def test_secrets_are_not_kept_on_disk(script: Script, clock: MovedClock, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="user_secrets"):
        Replica(["user_secrets"], script, clock, path=tmp_path / "state")
    with pytest.raises(BadParameter, match="nonsense"):
        Replica(["nonsense"], script, clock)


async def test_it_follows_a_store_in_the_same_process(clock: MovedClock) -> None:
    backend = MemoryBackend(clock)
    store, feed, tasks = Store(backend, clock), Feed(backend), TaskOwner("test")
    tasks.start(feed.run(lambda: None))
    await store.create(role("before", 0))
    async with running(_replica(lambda: local_source(store, feed, ["role", "node", "cluster_name"]), clock)) as copy:
        await copy.ready.wait()
        listener = copy.changes(["role"])
        await store.create(role("after", 0))
        await store.delete(Role, "before")
        assert await take(listener, 2) == [("put", "after"), ("delete", "before")]
        assert copy.get(Role, "after") == await store.get(Role, "after")
    await tasks.close()
    await backend.close()
