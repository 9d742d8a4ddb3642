"""62. Oversized reasons, labels and roles, expressions that explode, and invalid ones that would be stored."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from auth_cluster import auth_cluster

from teleport.api.client import Client
from teleport.api.routes import resources
from teleport.foundation.errors import BadParameter, LimitExceeded, NotFound, TeleportError
from teleport.model.resources.role import Role


async def create(client: Client, name: str, allow: dict[str, object], **metadata: object) -> None:
    document = {
        "kind": "role",
        "version": "v7",
        "metadata": {"name": name, **metadata},
        "spec": {"allow": allow},
    }
    raw = msgspec.Raw(msgspec.json.encode(document))
    await client.call(resources.CREATE, resources.CreateResource("role", raw))


@pytest.mark.parametrize(
    "allow",
    [
        {"node_labels_expression": "(" * 5000 + "true" + ")" * 5000},
        {"node_labels_expression": " || ".join(['labels["a"] == "b"'] * 20000)},
        {"node_labels_expression": 'regexp.match(labels["a"], "(a+)+$("'},
        {"node_labels": {"env": "^((a{1,500}){1,500}){1,500}$"}},
        {"rules": [{"resources": ["role"], "verbs": ["read"], "where": "!" * 20000 + "true"}]},
        {"rules": [{"resources": ["role"], "verbs": ["read"], "where": "contains(user.spec.roles"}]},
        {"logins": ["{{" * 3000]},
        {"logins": ["{{external.a}}" + "x" * 300_000]},
    ],
)
async def test_what_would_hurt_later_is_refused_now_and_quickly(tmp_path: Path, allow: dict[str, object]) -> None:
    async with auth_cluster(tmp_path) as cluster:
        admin = await cluster.admin()
        begun = time.process_time()
        with pytest.raises((BadParameter, LimitExceeded)):
            await create(admin, "bomb", allow)
        assert time.process_time() - begun < 10
        with pytest.raises(NotFound):
            await admin.get(Role, "bomb")


async def test_large_envelopes_are_refused(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        admin = await cluster.admin()
        for metadata in ({"description": "x" * 300_000}, {"labels": {"a": "x" * 300_000}}):
            with pytest.raises(TeleportError) as refused:
                await create(admin, "large", {}, **metadata)
            assert isinstance(refused.value, BadParameter | LimitExceeded)


async def test_queries_of_lists_are_bounded(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.person("alice", "access")
        for criteria in (
            {"query": "(" * 5000},
            {"search": "a " * 500},
            {"limit": 10_000_000},
            {"limit": -1},
            {"sort": "password"},
        ):
            fields = {"kind": "node", **criteria}
            with pytest.raises(BadParameter):
                await person.call(resources.LIST, msgspec.convert(fields, resources.ListResources))
