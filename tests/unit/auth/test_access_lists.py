"""Access lists in the auth service: grants at login, taken back at once; members, reviews, notices, who may what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auth_cluster import TestCluster, key_pair

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import certificates
from teleport.api.routes.cluster import WHO_AM_I
from teleport.auth.access_lists.grants import reconcile
from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import (
    AccessList,
    AccessListMember,
    AccessListMemberSpec,
    AccessListSpec,
    Grants,
    Owner,
    Requires,
)
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.user_login_state import UserLoginState


async def a_list(cluster: TestCluster, name: str, *roles: str, owner: str = "olga", **more: object) -> AccessList:
    spec = AccessListSpec(
        title=f"the {name}",
        owners=[Owner(name=owner)],
        grants=Grants(roles=list(roles), traits=more.pop("traits", {})),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )
    made = AccessList(metadata=Metadata(name=name), spec=spec)
    made.check()
    return await cluster.store.upsert(made)


async def a_member(cluster: TestCluster, name: str, list_name: str, **more: object) -> AccessListMember:
    spec = AccessListMemberSpec(access_list=list_name, name=name, **more)  # type: ignore[arg-type]
    return await cluster.store.upsert(AccessListMember(metadata=Metadata(name=name), spec=spec))


async def login(cluster: TestCluster, name: str) -> tuple[Client, Identity]:
    granted = await cluster.log_in_for(cluster.people[name])
    return cluster.client(granted.tls_cert), x509.read_identity(granted.tls_cert, "user")


async def reissued(client: Client) -> Identity:
    keys = key_pair()
    wanted = certificates.IssueCertificates(ssh_public_key=keys.ssh, tls_public_key=keys.tls)
    return x509.read_identity((await client.call(certificates.ISSUE, wanted)).tls_certificate, "user")


@pytest.fixture
async def team(cluster: TestCluster) -> TestCluster:
    """`plain` is alice's own role; `dba` is what the list `dbas` gives."""
    await cluster.role("plain", RoleConditions(logins=["alice"]))
    await cluster.role("dba", RoleConditions(logins=["postgres"]))
    await cluster.sign_up("alice", "plain", team=["db"])
    return cluster


async def test_grants_come_with_the_next_login_and_go_with_membership(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba", traits={"level": ["3"]})
    await a_member(team, "alice", "dbas")
    client, identity = await login(team, "alice")
    assert identity.roles == ("plain", "dba")
    assert (identity.traits["level"], identity.traits["team"]) == (("3",), ("db",))
    assert (await client.call(WHO_AM_I, Empty())).username == "alice"
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="no longer in"):
        await client.call(WHO_AM_I, Empty())
    again, identity = await login(team, "alice")
    assert identity.roles == ("plain",)
    assert "level" not in identity.traits
    assert (await again.call(WHO_AM_I, Empty())).username == "alice"


async def test_traits_alone_are_taken_back_too(team: TestCluster) -> None:
    await a_list(team, "dbas", traits={"logins": ["root"]})
    await a_member(team, "alice", "dbas")
    client, identity = await login(team, "alice")
    assert identity.traits["logins"] == ("root",)
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="logins"):
        await client.call(WHO_AM_I, Empty())


async def test_who_never_held_anything_is_not_touched(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    await team.sign_up("bob", "plain", "dba")
    bob, _ = await login(team, "bob")
    await login(team, "alice")
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    assert (await bob.call(WHO_AM_I, Empty())).username == "bob"


async def test_a_role_that_is_given_otherwise_stays(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    client, _ = await login(team, "alice")
    await team.user("alice", "plain", "dba", team=["db"])
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    assert (await client.call(WHO_AM_I, Empty())).username == "alice"


async def test_a_membership_that_returns_gives_back(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    client, _ = await login(team, "alice")
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    await a_member(team, "alice", "dbas")
    await reconcile(team.service.cluster)
    assert (await client.call(WHO_AM_I, Empty())).username == "alice"


async def test_memberships_end_by_time(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas", expires=team.clock.now() + timedelta(hours=1))
    client, identity = await login(team, "alice")
    assert "dba" in identity.roles
    assert await reconcile(team.service.cluster) is not None
    team.clock.advance(timedelta(hours=1, minutes=1))
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="no longer in"):
        await client.call(WHO_AM_I, Empty())


async def test_requirements_that_are_not_met_give_nothing(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba", membership_requires=Requires(traits={"team": ["web"]}))
    await a_member(team, "alice", "dbas")
    _, identity = await login(team, "alice")
    assert identity.roles == ("plain",)


async def test_lists_in_lists_give_too(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_list(team, "team", "plain")
    await a_member(team, "team", "dbas", membership_kind="MEMBERSHIP_KIND_LIST")
    await a_member(team, "alice", "team")
    client, identity = await login(team, "alice")
    assert identity.roles == ("plain", "dba")
    await team.store.delete(AccessListMember, "dbas/team")
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="no longer in"):
        await client.call(WHO_AM_I, Empty())


async def test_a_list_with_a_role_that_is_gone_is_skipped_and_told(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba", "vanished")
    await a_member(team, "alice", "dbas")
    _, identity = await login(team, "alice")
    assert identity.roles == ("plain",)
    (event,) = await team.events("user_login.access_list_invalid")
    assert (event["code"], event["missing_roles"]) == ("TAL009W", ["vanished"])


async def test_a_reissue_keeps_what_the_login_had(team: TestCluster) -> None:
    client, _ = await login(team, "alice")
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    assert (await reissued(client)).roles == ("plain",)


async def test_nothing_is_kept_for_whom_lists_give_nothing(team: TestCluster) -> None:
    await login(team, "alice")
    assert await team.store.find(UserLoginState, "alice") is None
