"""61. Seeds and join secrets appear in no address, log, list or event."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from auth_cluster import auth_cluster, key_pair

from teleport.api.routes import hosts, resources, tokens
from teleport.api.routes.catalog import ROUTES
from teleport.foundation.errors import AccessDenied
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.token import Token

SECRET = "the-secret-of-this-token"


async def test_a_token_is_seen_by_nobody_who_did_not_ask_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with auth_cluster(tmp_path) as cluster:
            editor = await cluster.person("alice", "editor")
            await editor.call(tokens.CREATE, tokens.CreateToken(roles=("Node",), value=SECRET))
            keys = key_pair()
            wrong = hosts.Join(
                token=SECRET,
                host_id="00000000-0000-4000-8000-000000000001",
                node_name="web",
                role="Proxy",
                public_ssh_key=keys.ssh,
                public_tls_key=keys.tls,
            )
            with pytest.raises(AccessDenied) as refused:
                await cluster.stranger().call(hosts.JOIN, wrong)
            assert SECRET not in refused.value.message
            listed = await editor.call(tokens.LIST, tokens.ListTokens())
            page = await editor.call(resources.LIST, resources.ListResources(kind="token"))
            assert listed.tokens
            assert page.items
            assert SECRET not in str(listed)
            assert not any(SECRET.encode() in bytes(item) for item in page.items)
            found = await editor.call(resources.LIST, resources.ListResources(kind="token", search=SECRET))
            assert not found.items
            assert SECRET not in str(await cluster.events())
    text = caplog.text + "".join(str(record.__dict__.get("fields", "")) for record in caplog.records)
    assert SECRET not in text


async def test_reading_without_secrets_needs_the_right_to_read(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.role(
            "lister", RoleConditions(rules=[Rule(resources=["token"], verbs=["list", "readnosecrets"])])
        )
        person = await cluster.person("alice", "lister")
        with pytest.raises(AccessDenied):
            await person.call(tokens.LIST, tokens.ListTokens(with_secrets=True))
        with pytest.raises(AccessDenied):
            await person.list(Token, with_secrets=True)


def test_secrets_travel_in_bodies() -> None:
    """The one exception is the link that a person opens, which the reference fixes."""
    secret = {"token", "password", "secret", "code", "session_id"}
    of_sessions = {"/v1/sessions/{session_id}", "/v1/recordings/{session_id}"}
    for route in ROUTES:
        if "/token/{token}" in route.path or any(route.path.startswith(path) for path in of_sessions):
            continue
        assert not secret & set(route.path_fields), route.path


async def test_a_seed_is_shown_once_and_kept_apart(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        admin = await cluster.admin()
        user = await admin.call(resources.GET, resources.ResourceName("user", "alice", with_secrets=True))
        assert person.secret.encode() not in bytes(user.resource)
        assert person.secret not in str(await cluster.events())
        items = await cluster.store.backend.range("/", "0")
        holding = [item.key for item in items if person.secret.encode() in item.value]
        assert holding == ["/secrets/user_secrets/alice"]
