"""55. A link to new credentials leads to all that its user may do: not for whoever could not give that."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import auth_cluster

from teleport.api.routes import users
from teleport.foundation.errors import AccessDenied
from teleport.model.resources.role_conditions import RoleConditions, Rule


async def test_helpdesk_does_not_reset_administrators(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        verbs = ["list", "read", "update"]
        await cluster.role("helpdesk", RoleConditions(rules=[Rule(resources=["user"], verbs=verbs)]))
        helper = await cluster.person("helper", "helpdesk", "access")
        admin = await cluster.sign_up("boss", "editor", "access")
        await cluster.user("colleague", "access")
        with pytest.raises(AccessDenied, match="editor"):
            await helper.call(users.RESET, users.ResetUser(name="boss"))
        assert await cluster.log_in(admin), "nothing of theirs was taken"
        assert (await helper.call(users.RESET, users.ResetUser(name="colleague"))).token


async def test_whoever_may_write_roles_resets_everybody(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        editor = await cluster.person("alice", "editor")
        await cluster.user("boss", "auditor")
        assert (await editor.call(users.RESET, users.ResetUser(name="boss"))).token
