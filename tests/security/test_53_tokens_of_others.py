"""53. A token that opens a connection, minted or read by others: join tokens and web sessions alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import PASSWORD, auth_cluster

from teleport.api.routes import login, sessions, tokens
from teleport.foundation.errors import AccessDenied, NotAuthenticated


async def test_join_tokens_are_made_and_read_by_those_who_may(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        for client in (
            await cluster.person("alice", "access", "auditor"),
            await cluster.host("Node"),
            await cluster.host("Proxy"),
        ):
            with pytest.raises(AccessDenied):
                await client.call(tokens.CREATE, tokens.CreateToken(roles=("Node",)))
            with pytest.raises(AccessDenied):
                await client.call(tokens.LIST, tokens.ListTokens(with_secrets=True))


async def test_web_sessions_are_minted_and_read_by_proxies_alone(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        proof = login.FinishSessionLogin(user="alice", password=PASSWORD, second_factor_token=person.next_code())
        with pytest.raises(NotAuthenticated):
            await cluster.stranger().call(login.CREATE_SESSION, proof)
        for client in (await cluster.host("Node"), await cluster.admin(), await cluster.log_in(person)):
            with pytest.raises(AccessDenied):
                await client.call(login.CREATE_SESSION, proof)
            with pytest.raises(AccessDenied):
                await client.call(sessions.GET_WEB, sessions.WebSessionId("guess"))
