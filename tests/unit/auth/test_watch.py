"""The stream of changes: what each caller is told, and that a replica follows it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest
from auth_cluster import TestCluster

from teleport.api.changes import remote_source
from teleport.api.routes.changes import WATCH, ChangeLine, Watch
from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import RoleConditions
from teleport.storage.replica import Replica


async def until(lines: AsyncIterator[ChangeLine], kind: str) -> list[ChangeLine]:
    """Lines up to the first of this type."""
    seen: list[ChangeLine] = []
    async with asyncio.timeout(20):
        async for line in lines:
            seen.append(line)
            if line.type == kind:
                return seen
    raise AssertionError(f"the stream ended before {kind}")


async def announce(cluster: TestCluster, **labels: str) -> str:
    host_id = str(uuid.uuid4())
    agent = await cluster.host("Node", host_id)
    await agent.put(Node(metadata=Metadata(name=host_id, labels=labels), spec=NodeSpec(hostname="web")))
    return host_id


async def test_a_snapshot_then_changes_with_growing_positions(cluster: TestCluster) -> None:
    agent = await cluster.host("Node")
    lines = agent.lines(WATCH, Watch(kinds=("role", "lock")))
    snapshot = await until(lines, "ready")
    assert {"editor", "access", "auditor"} <= {line.name for line in snapshot}
    await cluster.store.create(Lock(metadata=Metadata(name="stop"), spec=LockSpec(target=LockTarget(user="x"))))
    (put,) = await until(lines, "put")
    await cluster.store.delete(Lock, "stop")
    (deleted,) = await until(lines, "delete")
    assert (put.kind, put.name, deleted.name) == ("lock", "stop", "stop")
    assert snapshot[-1].position < put.position < deleted.position


async def test_resumes_after_a_position_or_tells_of_a_gap(cluster: TestCluster) -> None:
    agent = await cluster.host("Node")
    snapshot = await until(agent.lines(WATCH, Watch(kinds=("lock",))), "ready")
    await cluster.store.create(Lock(metadata=Metadata(name="stop"), spec=LockSpec(target=LockTarget(user="x"))))
    (put,) = await until(agent.lines(WATCH, Watch(kinds=("lock",), after=snapshot[-1].position)), "put")
    assert put.name == "stop"
    assert [line.type for line in await until(agent.lines(WATCH, Watch(kinds=("lock",), after=1)), "gap")] == ["gap"]


async def first_line(lines: AsyncIterator[ChangeLine]) -> ChangeLine:
    async with asyncio.timeout(20):
        return await anext(lines)


async def test_an_agent_is_told_of_its_own_node_alone(cluster: TestCluster) -> None:
    await announce(cluster)
    agent = await cluster.host("Node", own := str(uuid.uuid4()))
    await agent.put(Node(metadata=Metadata(name=own), spec=NodeSpec(hostname="own")))
    snapshot = await until(agent.lines(WATCH, Watch(kinds=("node",))), "ready")
    assert [line.name for line in snapshot if line.type == "item"] == [own]


@pytest.mark.parametrize("kind", ["token", "session_tracker", "web_session", "ca_secrets", "user_secrets"])
async def test_agents_are_not_told_of_what_is_not_theirs(cluster: TestCluster, kind: str) -> None:
    await announce(cluster)
    agent = await cluster.host("Node")
    with pytest.raises((AccessDenied, BadParameter)):
        await first_line(agent.lines(WATCH, Watch(kinds=(kind,))))


async def test_proxies_see_all_nodes_and_no_secret(cluster: TestCluster) -> None:
    names = {await announce(cluster) for _ in range(3)}
    proxy = await cluster.host("Proxy")
    snapshot = await until(proxy.lines(WATCH, Watch(kinds=("node", "cert_authority", "role"))), "ready")
    assert names <= {line.name for line in snapshot}
    assert not any(line.resource is not None and b"PRIVATE KEY" in bytes(line.resource) for line in snapshot)


async def test_people_are_told_of_what_they_see(cluster: TestCluster) -> None:
    await cluster.role("prod", RoleConditions(node_labels={"env": ["prod"]}))
    person = await cluster.person("alice", "prod")
    lines = person.lines(WATCH, Watch(kinds=("node",)))
    await until(lines, "ready")
    hidden = await announce(cluster, env="dev")
    seen = await announce(cluster, env="prod")
    told = await until(lines, "put")
    assert told[-1].name == seen
    assert hidden not in {line.name for line in told}
    await cluster.store.delete(Node, hidden)
    await cluster.store.delete(Node, seen)
    told = await until(lines, "delete")
    assert [line.name for line in told if line.name] == [seen]


async def test_people_may_not_watch_what_they_may_not_list(cluster: TestCluster) -> None:
    person = await cluster.person("alice", "access")
    with pytest.raises(AccessDenied):
        await until(person.lines(WATCH, Watch(kinds=("role",))), "ready")


async def test_a_replica_follows_from_afar(cluster: TestCluster) -> None:
    agent = await cluster.host("Node")
    replica = Replica(("role", "lock"), remote_source(agent, ("role", "lock")), cluster.clock)
    ready = asyncio.Event()
    task = asyncio.get_running_loop().create_task(replica.run(ready.set))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
            assert replica.get(Role, "access").spec.allow.logins
            changes = replica.changes(("lock",))
            lock = Lock(metadata=Metadata(name="stop"), spec=LockSpec(target=LockTarget(user="x")))
            await cluster.store.create(lock)
            await anext(changes)
            assert replica.get(Lock, "stop").spec.target.user == "x"
    finally:
        task.cancel()
        await asyncio.wait({task})


def test_a_line_says_nothing_it_does_not_mean() -> None:
    assert msgspec.json.encode(ChangeLine(type="current", position=7)) == b'{"type":"current","position":7}'
