"""55: whoever may write roles gives no more than they hold without the audit event telling it."""

from __future__ import annotations

from pathlib import Path

from auth_cluster import auth_cluster
from roles import ANYTHING, role

from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.user import User


async def test_the_event_tells_what_goes_beyond_the_author(tmp_path: Path) -> None:
    rules = [Rule(resources=["role", "user"], verbs=["list", "read", "create", "update"])]
    async with auth_cluster(tmp_path) as cluster:
        await cluster.role("writer", RoleConditions(rules=rules))
        writer = await cluster.person("willa", "writer")
        await writer.create(role("large", allow={"logins": ["root"], "node_labels": ANYTHING}))
        await writer.create(role("small", allow={"rules": [{"resources": ["user"], "verbs": ["read"]}]}))
        told = {event["name"]: event.get("beyond_author", []) for event in await cluster.events("role.created")}
        assert told["large"] == ["logins: root", "node_labels"]
        assert told["small"] == []
        own = await writer.get(User, "willa")
        own.spec.roles.append("large")
        await writer.put(own)
        changed = [event for event in await cluster.events("user.update") if event.get("updated_by") == "willa"]
        assert [event["beyond_author"] for event in changed] == [["large"]]
