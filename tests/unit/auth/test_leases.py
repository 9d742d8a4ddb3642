"""Leases: never more than allowed, whoever asks at the same moment; those of a dead host end by themselves."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest
from auth_cluster import TestCluster

from teleport.api.client import Client
from teleport.api.routes import leases
from teleport.foundation.errors import AccessDenied, BadParameter, LimitExceeded, TeleportError
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget
from teleport.model.resources.semaphore import Semaphore

LIMIT = 3


def lease(lease_id: str = "", limit: int = LIMIT, kind: str = "connection", name: str = "alice") -> leases.HoldLease:
    return leases.HoldLease(kind=kind, name=name, lease_id=lease_id or str(uuid.uuid4()), limit=limit)


def given_back(held: leases.HoldLease) -> leases.ReleaseLease:
    return leases.ReleaseLease(kind=held.kind, name=held.name, lease_id=held.lease_id)


async def held(cluster: TestCluster) -> int:
    found = await cluster.store.find(Semaphore, "connection/alice")
    return len(found.spec.leases) if found else 0


async def test_two_hosts_that_race_never_exceed_the_limit(cluster: TestCluster) -> None:
    hosts = [await cluster.host("Node"), await cluster.host("Proxy")]

    async def ask(client: Client) -> bool:
        try:
            await client.call(leases.HOLD, lease())
        except LimitExceeded:
            return False
        return True

    answers = await asyncio.gather(*(ask(hosts[number % 2]) for number in range(20)))
    assert sum(answers) == LIMIT == await held(cluster)


async def test_what_is_given_back_may_be_taken_again(cluster: TestCluster) -> None:
    node = await cluster.host("Node")
    first = lease(limit=1)
    await node.call(leases.HOLD, first)
    with pytest.raises(LimitExceeded):
        await node.call(leases.HOLD, lease(limit=1))
    await node.call(leases.HOLD, lease(limit=1, name="bob"))
    await node.call(leases.RELEASE, given_back(first))
    await node.call(leases.RELEASE, given_back(first))
    await node.call(leases.HOLD, lease(limit=1))


async def test_a_lease_ends_with_its_host_and_lives_by_renewal(cluster: TestCluster) -> None:
    node = await cluster.host("Node")
    kept, lost = lease(), lease()
    await node.call(leases.HOLD, kept)
    await node.call(leases.HOLD, lost)
    for _ in range(3):
        cluster.clock.advance(timedelta(seconds=60))
        await node.call(leases.HOLD, kept)
    assert await held(cluster) == 1
    await node.call(leases.RELEASE, given_back(kept))
    assert await cluster.store.find(Semaphore, "connection/alice") is None


async def test_a_locked_server_that_may_not_give_its_leases_back_holds_none(cluster: TestCluster) -> None:
    host_id = str(uuid.uuid4())
    locked, other = await cluster.host("Node", host_id), await cluster.host("Node")
    first, second = lease(limit=1), lease(limit=1)
    await locked.call(leases.HOLD, first)
    await cluster.store.create(Lock(metadata=Metadata(name="l"), spec=LockSpec(target=LockTarget(server_id=host_id))))
    with pytest.raises(AccessDenied):
        await locked.call(leases.RELEASE, given_back(first))
    await other.call(leases.HOLD, second)
    with pytest.raises(LimitExceeded):
        await other.call(leases.HOLD, lease(limit=1))
    assert await held(cluster) == 1


async def test_nobody_touches_the_lease_of_another_host(cluster: TestCluster) -> None:
    node, other = await cluster.host("Node"), await cluster.host("Node")
    mine = lease()
    await node.call(leases.HOLD, mine)
    with pytest.raises(AccessDenied):
        await other.call(leases.HOLD, mine)
    await other.call(leases.RELEASE, given_back(mine))
    assert await held(cluster) == 1


async def test_people_hold_no_leases(cluster: TestCluster) -> None:
    for role in ("access", "editor"):
        person = await cluster.log_in(await cluster.sign_up(f"{role}-person", role))
        with pytest.raises(AccessDenied):
            await person.call(leases.HOLD, lease())
        with pytest.raises(AccessDenied):
            await person.call(leases.RELEASE, given_back(lease()))


@pytest.mark.parametrize(
    "request_", [lease(kind="nothing"), lease(name=""), lease(limit=0), lease(limit=-1), lease("x" * 65)]
)
async def test_what_makes_no_sense_is_refused(cluster: TestCluster, request_: leases.HoldLease) -> None:
    with pytest.raises((BadParameter, TeleportError)):
        await (await cluster.host("Node")).call(leases.HOLD, request_)
