"""Why may I not? Answers of what the caller may know, and one answer for what is hidden and what is not there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auth_cluster import TestCluster

from teleport.api.client import Client
from teleport.api.routes import access
from teleport.foundation.errors import BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.role_options import RoleOptions
from teleport.model.resources.schedule import AccessWindow


async def role(cluster: TestCluster, name: str, env: str, **parts: object) -> None:
    allow = RoleConditions(logins=["root"], node_labels={"env": [env]})
    schedule = parts.get("schedule")
    if isinstance(schedule, list):
        allow.schedule = schedule
    options = RoleOptions(require_session_mfa=bool(parts.get("mfa")))
    made = Role(metadata=Metadata(name=name), spec=RoleSpec(allow=allow, options=options))
    made.check()
    await cluster.store.upsert(made)


@pytest.fixture
async def client(cluster: TestCluster) -> Client:
    await role(cluster, "plain", "dev")
    await role(cluster, "careful", "prod", mfa=True)
    for name, env in (("web", "dev"), ("db", "prod"), ("hidden", "other")):
        labels = {"env": env}
        await cluster.store.upsert(
            Node(metadata=Metadata(name=f"id-of-{name}", labels=labels), spec=NodeSpec(hostname=name))
        )
    await cluster.sign_up("alice", "plain", "careful")
    return await cluster.log_in(cluster.people["alice"])


async def ask(client: Client, name: str, login: str = "root", **more: object) -> access.AccessExplained:
    asked = access.ExplainAccess(kind="node", name=name, login=login, **more)  # type: ignore[arg-type]
    return await client.call(access.EXPLAIN, asked)


async def test_by_host_name_and_by_id(client: Client) -> None:
    for name in ("web", "id-of-web"):
        told = await ask(client, name)
        assert told.allowed
        assert told.roles == ("plain",)
        assert told.message == 'access to node "web" allowed by role "plain".'


async def test_another_login_is_told_with_those_that_are_open(client: Client) -> None:
    told = await ask(client, "web", "guest")
    assert not told.allowed
    assert told.logins == ("root",)
    assert 'its logins do not include "guest"' in told.message


async def test_what_the_session_lacks(client: Client) -> None:
    assert 'MFA required by role "careful"' in (await ask(client, "db")).message
    assert (await ask(client, "db", language="ko")).message.startswith("node 접근이 거부되었습니다: 다중 인증")


async def test_hidden_and_absent_are_told_alike(client: Client) -> None:
    hidden, absent = await ask(client, "hidden"), await ask(client, "no-such-node")
    assert hidden == absent
    assert hidden.message == "access to node denied. User does not have permissions. Confirm SSH login."
    assert (await ask(client, "id-of-hidden")) == absent


async def test_a_lock_on_a_hidden_server_is_no_news(cluster: TestCluster, client: Client) -> None:
    target = LockTarget(server_id="id-of-hidden")
    await cluster.store.upsert(Lock(metadata=Metadata(name="l"), spec=LockSpec(target=target, message="forensics")))
    assert await ask(client, "id-of-hidden") == await ask(client, "no-such-node")


async def test_out_of_hours(cluster: TestCluster, client: Client) -> None:
    day = cluster.clock.now().date() + timedelta(days=30)
    await role(cluster, "plain", "dev", schedule=[AccessWindow(dates=[day.isoformat()])])
    told = await ask(client, "web")
    assert told.message.endswith(f'Role "plain" is in force only at certain times: {day.isoformat()} UTC.')
    assert told.logins == ()
    assert await ask(client, "hidden") == await ask(client, "no-such-node")


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [("role", "plain", {}), ("node", "", {}), ("unknown", "x", {}), ("node", "web", {"password": "x"})],
)
async def test_what_cannot_be_asked(client: Client, kind: str, name: str, values: dict[str, str]) -> None:
    with pytest.raises(BadParameter):
        await client.call(access.EXPLAIN, access.ExplainAccess(kind=kind, name=name, values=values))
