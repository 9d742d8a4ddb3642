"""MFA for each session: asked for where roles or the cluster demand it, proved once, good for a minute."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from auth_cluster import TestCluster
from second_factors import answer, log_in_with_key, prefer, session_identity, sign_up_with_key

from teleport.api.client import Client
from teleport.api.routes import mfa
from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.role_options import RoleOptions


async def role(cluster: TestCluster, name: str, env: str, *, needs_mfa: bool) -> None:
    spec = RoleSpec(
        allow=RoleConditions(logins=["root"], node_labels={"env": [env]}),
        options=RoleOptions(require_session_mfa=needs_mfa),
    )
    made = Role(metadata=Metadata(name=name), spec=spec)
    made.check()
    await cluster.store.upsert(made)


async def node(cluster: TestCluster, name: str, env: str) -> None:
    await cluster.store.upsert(
        Node(metadata=Metadata(name=f"id-of-{name}", labels={"env": env}), spec=NodeSpec(hostname=name))
    )


async def is_required(client: Client, **question: object) -> bool:
    return (await client.call(mfa.REQUIRED, mfa.MfaQuestion(**question))).required  # type: ignore[arg-type]


@pytest.fixture
async def client(cluster: TestCluster) -> Client:
    await role(cluster, "plain", "dev", needs_mfa=False)
    await role(cluster, "careful", "prod", needs_mfa=True)
    for name, env in (("web", "dev"), ("db", "prod"), ("hidden", "other")):
        await node(cluster, name, env)
    await cluster.sign_up("alice", "plain", "careful")
    return await cluster.log_in(cluster.people["alice"])


async def test_the_role_that_grants_decides(cluster: TestCluster, client: Client) -> None:
    assert not await is_required(client, target="web", login="root")
    assert await is_required(client, target="db", login="root")
    assert await is_required(client, target="id-of-db")
    assert await is_required(client, labels={"env": "prod"})
    assert not await is_required(client, target="hidden", login="root")
    assert not await is_required(client, target="absent")
    with pytest.raises(BadParameter, match="kind"):
        await is_required(client, kind="castle")


async def test_the_cluster_may_demand_it_of_all(cluster: TestCluster, client: Client) -> None:
    await prefer(cluster, require_session_mfa=True)
    assert await is_required(client, target="web", login="root")
    assert not await is_required(client, target="hidden"), "what may not be seen is not told of"


async def test_the_certificate_of_a_session_lives_a_minute_and_knows_its_login(
    cluster: TestCluster, client: Client
) -> None:
    before = await session_identity(client, None)
    proof = mfa.MfaResponse(totp_code=cluster.people["alice"].next_code())
    identity = await session_identity(client, proof)
    assert identity.mfa_verified
    assert identity.expires - cluster.clock.now() <= timedelta(minutes=1)
    assert identity.previous_expires is not None
    assert abs(identity.previous_expires - before.expires) <= timedelta(seconds=1)
    assert not before.mfa_verified
    told = (await cluster.events("cert.create"))[-1]["identity"]
    assert told["mfa_device_uuid"] == identity.mfa_verified
    assert told["previous_identity_expires"] == stamp(identity.previous_expires)
    assert told["expires"] == stamp(identity.expires)


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


async def test_a_certificate_of_a_session_gives_no_more_of_its_kind(cluster: TestCluster) -> None:
    device = await sign_up_with_key(cluster, "bob", "access")
    client = await log_in_with_key(cluster, "bob", device)
    proof = await answer(client, device, "session")
    first = await session_identity(client, proof)
    again = await session_identity(client, None)
    assert first.mfa_verified
    assert not again.mfa_verified


async def test_a_code_is_good_once(cluster: TestCluster, client: Client) -> None:
    code = cluster.people["alice"].next_code()
    assert await session_identity(client, mfa.MfaResponse(totp_code=code))
    with pytest.raises(AccessDenied, match="used"):
        await session_identity(client, mfa.MfaResponse(totp_code=code))


async def test_a_copied_key_is_refused_and_told(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "bob", "access")
    bob = await log_in_with_key(cluster, "bob", device)
    device.passkeys[0].counter += 10
    await session_identity(bob, await answer(bob, device, "session"))
    device.passkeys[0].counter -= 5  # what a copy made earlier would show
    with pytest.raises(AccessDenied, match="cloned"):
        await session_identity(bob, await answer(bob, device, "session"))
    refused = [event for event in await cluster.events("mfa_auth_challenge.validate") if event["code"] == "T1016W"]
    assert "cloned" in refused[-1]["error"]
