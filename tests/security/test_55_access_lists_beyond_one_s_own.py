"""55: nobody gets more by running an access list, by adding to one, or by deciding what they asked for themselves."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from auth_cluster import TestCluster, auth_cluster

from teleport.api.client import Client
from teleport.api.routes import access_lists
from teleport.api.routes import access_requests as requests
from teleport.auth.access_requests.deciding import Deciding
from teleport.auth.caller import Caller
from teleport.foundation.errors import AccessDenied, NotFound
from teleport.model.codec import decode_json
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import AccessList, AccessListMember, AccessListSpec, Grants, Owner
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.role_conditions import (
    AccessRequestConditions,
    AccessReviewConditions,
    RoleConditions,
    Rule,
)


async def a_list(cluster: TestCluster, name: str, role: str, owner: str) -> None:
    spec = AccessListSpec(title=name, owners=[Owner(name=owner)], grants=Grants(roles=[role]))
    await cluster.store.upsert(AccessList(metadata=Metadata(name=name), spec=spec))


async def an_owner(cluster: TestCluster) -> Client:
    """`olga` holds `plain`, runs `admins` (which grants `editor`) and belongs to `friends`."""
    await cluster.role("plain", RoleConditions(logins=["olga"]))
    await a_list(cluster, "admins", "editor", "olga")
    await a_list(cluster, "friends", "plain", "olga")
    olga = await cluster.person("olga", "plain")
    await olga.call(access_lists.ADD, access_lists.AddMember(name="friends", member="olga"))
    return olga


async def test_an_owner_adds_neither_themselves_nor_a_list_they_are_in(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        olga = await an_owner(cluster)
        for member, kind in (("olga", "user"), ("friends", "list")):
            with pytest.raises(AccessDenied):
                await olga.call(access_lists.ADD, access_lists.AddMember(name="admins", member=member, kind=kind))
        assert [one.key async for one in cluster.store.iterate(AccessListMember)] == ["friends/olga"]


async def test_an_owner_does_not_change_what_the_list_grants(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        olga = await an_owner(cluster)
        mine = decode_json(
            (await olga.call(access_lists.GET, access_lists.ListName("friends"))).access_list, AccessList
        )
        mine.spec.grants = Grants(roles=["editor"])
        with pytest.raises(AccessDenied):
            await olga.put(mine)


async def test_who_writes_lists_but_no_roles_grants_only_what_they_hold(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        rules = [Rule(resources=["access_list", "access_list_member"], verbs=["*"])]
        await cluster.role("lister", RoleConditions(rules=rules))
        lisa = await cluster.person("lisa", "lister")
        for grants in (Grants(roles=["editor"]), Grants(roles=["lister"], traits={"logins": ["root"]})):
            spec = AccessListSpec(title="x", owners=[Owner(name="lisa")], grants=grants)
            with pytest.raises(AccessDenied):
                await lisa.create(AccessList(metadata=Metadata(name="x"), spec=spec))


async def test_a_stranger_to_a_list_does_not_learn_of_it(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await an_owner(cluster)
        eve = await cluster.person("eve", "plain")
        for name in ("admins", "not-there"):
            with pytest.raises(NotFound, match="is not found"):
                await eve.call(access_lists.MEMBERS, access_lists.ListName(name))
            with pytest.raises(NotFound, match="is not found"):
                await eve.call(access_lists.ADD, access_lists.AddMember(name=name, member="eve"))


async def test_an_impersonator_does_not_review_for_themselves(tmp_path: Path) -> None:
    """Whoever asks and then acts as a reviewer is still who asked."""
    async with auth_cluster(tmp_path) as cluster:
        await cluster.role("dba", RoleConditions(logins=["postgres"]))
        await cluster.role("dev", RoleConditions(request=AccessRequestConditions(roles=["dba"])))
        await cluster.role("lead", RoleConditions(review_requests=AccessReviewConditions(roles=["dba"])))
        alice = await cluster.person("alice", "dev")
        shown = await alice.call(requests.CREATE, requests.CreateAccessRequest(roles=("dba",)))
        asked = decode_json(shown.request, AccessRequest)
        caller = await _as_reviewer(cluster, impersonator="alice")
        review = requests.ReviewAccessRequest(id=asked.name, state="APPROVED")
        with pytest.raises(AccessDenied, match="your own"):
            await _deciding(cluster).review(caller, review)
        await _deciding(cluster).review(await _as_reviewer(cluster, impersonator="bob"), review)


def _deciding(cluster: TestCluster) -> Deciding:
    return cluster.service.access_requests.deciding


async def _as_reviewer(cluster: TestCluster, impersonator: str) -> Caller:
    from teleport.auth.caller import role_set_of
    from teleport.model.identity import Identity

    await cluster.user("lena", "lead")
    identity = Identity(
        username="lena", cluster=cluster.service.cluster.name, expires=cluster.clock.now(), roles=("lead",)
    )
    acting = msgspec.structs.replace(identity, impersonator=impersonator)
    return Caller("192.0.2.1", acting, await role_set_of(cluster.service.cluster, acting))
