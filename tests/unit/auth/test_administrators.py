"""A cluster keeps a local user who may write users and roles, unless whoever takes the last one away confirms it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from auth_cluster import TestCluster

from teleport.api.client import Client
from teleport.api.routes import resources as routes
from teleport.auth.administrators import Administrators
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources import presets
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.user import ConnectorRef, CreatedBy, User, UserSpec
from teleport.storage.backends.sqlite import SqliteBackend
from teleport.storage.store import DeleteOf, Store

NOBODY = "no local user would be left who may write users and roles"


async def set_roles(client: Client, name: str, *roles: str, confirm: bool = False) -> None:
    user = await client.get(User, name)
    user.spec.roles = list(roles)
    body = msgspec.Raw(encode_json(user))
    await client.call(routes.PUT, routes.PutResource("user", name, body, must_exist=True, confirm=confirm))


async def delete(client: Client, name: str, *, confirm: bool = False) -> None:
    await client.call(routes.DELETE, routes.DeleteResource("user", name, confirm))


async def alone(cluster: TestCluster, name: str = "alice") -> Client:
    """The administrator of the auth host in a cluster with one person who administers it."""
    admin = await cluster.admin()
    await cluster.user(name, "editor")
    for user in await admin.list(User):
        if user.name != name:
            await delete(admin, user.name)
    return admin


async def test_the_last_administrator_is_not_removed_in_any_way(cluster: TestCluster) -> None:
    admin = await alone(cluster)
    await cluster.user("bob", "access", "auditor")
    with pytest.raises(BadParameter, match=f"user 'alice' cannot be deleted: {NOBODY}.*--confirm"):
        await delete(admin, "alice")
    with pytest.raises(BadParameter, match=f"user 'alice' cannot be changed like this: {NOBODY}"):
        await set_roles(admin, "alice", "access")
    role = await admin.get(Role, "editor")
    role.spec.allow.rules = [Rule(resources=["role"], verbs=["*"])]
    with pytest.raises(BadParameter, match=f"role 'editor' cannot be changed like this: {NOBODY}"):
        await admin.put(role)
    assert (await admin.get(User, "alice")).spec.roles == ["editor"]
    await set_roles(admin, "bob", "editor")
    await set_roles(admin, "alice", "access")
    await delete(admin, "alice")


async def test_whoever_confirms_may_remove_the_last_one_and_the_auth_host_repairs_it(cluster: TestCluster) -> None:
    admin = await alone(cluster)
    await set_roles(admin, "alice", "access", confirm=True)
    await delete(admin, "alice")  # nothing is taken away any more
    await admin.create(User(metadata=Metadata(name="dora"), spec=UserSpec(roles=["editor"])))
    await delete(admin, "dora", confirm=True)


async def test_only_lasting_local_people_count(cluster: TestCluster) -> None:
    admin = await alone(cluster)
    where = 'resource.metadata.name != "root"'
    everything = ["list", "read", "create", "update", "delete"]
    await cluster.role(
        "most", RoleConditions(rules=[Rule(resources=["user", "role"], verbs=everything, where=where)])
    )
    await cluster.role("reads", RoleConditions(rules=[Rule(resources=["*"], verbs=["list", "read"])]))
    sso = CreatedBy(connector=ConnectorRef(id="corporate", type="oidc", identity="x"))
    leaving = cluster.clock.now() + timedelta(hours=1)
    for user in (
        User(metadata=Metadata(name="conditional"), spec=UserSpec(roles=["most"])),
        User(metadata=Metadata(name="reader"), spec=UserSpec(roles=["reads"])),
        User(metadata=Metadata(name="robot", labels={"teleport.internal/bot": "x"}), spec=UserSpec(roles=["editor"])),
        User(metadata=Metadata(name="visitor", expires=leaving), spec=UserSpec(roles=["editor"])),
        User(metadata=Metadata(name="corporate"), spec=UserSpec(roles=["editor"], created_by=sso)),
    ):
        await cluster.store.create(user)
    with pytest.raises(BadParameter, match=NOBODY):
        await delete(admin, "alice")
    await cluster.role("whole", RoleConditions(rules=[Rule(resources=["user", "role"], verbs=everything)]))
    await cluster.user("carol", "whole")
    await delete(admin, "alice")


async def test_a_deny_takes_the_last_one_away_as_well(cluster: TestCluster) -> None:
    admin = await alone(cluster)
    denying = Role(metadata=Metadata(name="narrow"))
    await admin.create(denying)
    await set_roles(admin, "alice", "editor", "narrow")
    denying.spec.deny.rules = [Rule(resources=["user"], verbs=["update"])]
    with pytest.raises(BadParameter, match=f"role 'narrow' cannot be changed like this: {NOBODY}"):
        await admin.put(denying)


async def test_two_administrators_who_remove_each_other_do_not_both_succeed(tmp_path: Path) -> None:
    backend = await SqliteBackend.open(tmp_path, SystemClock())
    store = Store(backend, SystemClock())
    administrators = Administrators(store)
    await store.create(presets.editor())

    async def remove(name: str) -> None:
        old = await store.get(User, name)
        await administrators.commit(DeleteOf(User, name, old.revision), old, None)

    try:
        for _ in range(10):
            for name in ("alice", "bob"):
                await store.upsert(User(metadata=Metadata(name=name), spec=UserSpec(roles=["editor"])))
            told = await asyncio.gather(remove("alice"), remove("bob"), return_exceptions=True)
            assert [NOBODY in str(problem) for problem in told if problem is not None] == [True]
            assert len([user async for user in store.iterate(User)]) == 1
    finally:
        await backend.close()
