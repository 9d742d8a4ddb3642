"""55. Whoever may write users but not roles hands out no role they do not hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import auth_cluster

from teleport.api.routes import users
from teleport.foundation.errors import AccessDenied
from teleport.model.resource import Metadata
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.user import User, UserSpec

HELPDESK = RoleConditions(rules=[Rule(resources=["user"], verbs=["list", "create", "read", "update", "delete"])])


async def test_helpdesk_does_not_make_administrators(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.role("helpdesk", HELPDESK)
        person = await cluster.person("alice", "helpdesk", "access")
        with pytest.raises(AccessDenied, match="editor"):
            await person.create(User(metadata=Metadata(name="bob"), spec=UserSpec(roles=["editor"])))
        with pytest.raises(AccessDenied, match="editor"):
            await person.call(users.INVITE, users.InviteUser(name="bob", roles=("editor",)))
        me = await person.get(User, "alice")
        me.spec.roles = ["helpdesk", "editor"]
        with pytest.raises(AccessDenied, match="editor"):
            await person.put(me)
        me.spec.roles = ["helpdesk", "access"]
        me.spec.traits = {"logins": ["root"]}
        with pytest.raises(AccessDenied, match="traits"):
            await person.put(me)
        await person.create(User(metadata=Metadata(name="bob"), spec=UserSpec(roles=["access"])))


async def test_whoever_may_write_roles_may_hand_them_out(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        editor = await cluster.person("alice", "editor")
        await editor.create(Role(metadata=Metadata(name="dev")))
        made = await editor.create(User(metadata=Metadata(name="bob"), spec=UserSpec(roles=["dev", "auditor"])))
        assert made.spec.roles == ["dev", "auditor"]


async def test_a_rule_about_some_users_does_not_reach_others_by_renaming_what_they_become(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        where = '!contains(resource.spec.roles, "editor")'
        rules = [Rule(resources=["user"], verbs=["read", "update"], where=where)]
        await cluster.role("some", RoleConditions(rules=[*rules, Rule(resources=["role"], verbs=["*"])]))
        await cluster.user("bob", "access")
        person = await cluster.person("alice", "some")
        bob = await person.get(User, "bob")
        bob.spec.roles = ["editor"]
        with pytest.raises(AccessDenied):
            await person.put(bob)
