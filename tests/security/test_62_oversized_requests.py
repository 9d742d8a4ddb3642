"""62: requests for access that are too large, too many or cannot be meant are refused before anything is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import CLUSTER, TestCluster, auth_cluster

from teleport.api.client import Client
from teleport.api.routes import access_requests as routes
from teleport.foundation.errors import BadParameter, LimitExceeded, TeleportError
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.role_conditions import AccessRequestConditions, RoleConditions

MANY = tuple(f"role-{number}" for number in range(101))
BAD: list[dict[str, object]] = [
    {"roles": ("dba",), "reason": "x" * 4097},
    {"roles": MANY},
    {"roles": ("dba",), "suggested_reviewers": MANY},
    {"resource_ids": tuple(f"/{CLUSTER}/node/{number}" for number in range(301))},
    {"resource_ids": (f"/{CLUSTER}/node",)},
    {"resource_ids": (f"/{CLUSTER}/role/editor",)},
    {"resource_ids": ("../../etc/passwd",)},
    {"roles": ("dba",), "max_duration": timedelta(seconds=-1)},
    {"roles": ("dba",), "session_ttl": timedelta()},
    {"roles": ("dba",), "request_ttl": timedelta(days=400)},
    {"roles": ("x" * 100_000,)},
]


async def a_requester(cluster: TestCluster) -> Client:
    await cluster.role("dba", RoleConditions(logins=["postgres"]))
    await cluster.role("dev", RoleConditions(request=AccessRequestConditions(roles=["*"])))
    return await cluster.person("alice", "dev")


@pytest.mark.parametrize("number", range(len(BAD)))
async def test_what_cannot_be_meant_is_not_kept(tmp_path: Path, number: int) -> None:
    async with auth_cluster(tmp_path) as cluster:
        alice = await a_requester(cluster)
        with pytest.raises(TeleportError) as refused:
            await alice.call(routes.CREATE, routes.CreateAccessRequest(**BAD[number]))  # type: ignore[arg-type]
        assert refused.value.http_status in (400, 403, 404, 422, 429, 501)
        assert [one async for one in cluster.store.iterate(AccessRequest)] == []


async def test_one_person_does_not_fill_the_list(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        alice = await a_requester(cluster)
        for _ in range(100):
            await alice.call(routes.CREATE, routes.CreateAccessRequest(roles=("dba",)))
        await cluster.service.access_requests.register.current()
        with pytest.raises(LimitExceeded):
            await alice.call(routes.CREATE, routes.CreateAccessRequest(roles=("dba",)))


async def test_scopes_and_states_that_are_none_are_refused(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        alice = await a_requester(cluster)
        for wanted in (
            routes.ListAccessRequests(scope="everything"),
            routes.ListAccessRequests(state="maybe"),
            routes.ListAccessRequests(limit=-1),
        ):
            with pytest.raises(BadParameter):
                await alice.call(routes.LIST, wanted)
