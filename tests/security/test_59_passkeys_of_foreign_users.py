"""59. A local login, by password or passkey, of a user who belongs to an identity provider."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from auth_cluster import PASSWORD, TestCluster, auth_cluster, key_pair
from authenticator import SoftwareAuthenticator
from second_factors import log_in_with_key, prefer, sign_up_with_key

from teleport.api.routes import login
from teleport.foundation.errors import NotAuthenticated
from teleport.model.resources.user import ConnectorRef, CreatedBy, User


async def adopted_by_a_provider(cluster: TestCluster) -> SoftwareAuthenticator:
    """Somebody who had a password and a passkey here before the provider took the name over."""
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "alice", "access", passkey=True)
    user = await cluster.store.get(User, "alice")
    user.spec.created_by = CreatedBy(connector=ConnectorRef(type="github", id="hub", identity="alice"))
    await cluster.store.upsert(user)
    return device


async def by_passkey(cluster: TestCluster, device: SoftwareAuthenticator) -> login.LoginGranted:
    stranger, keys = cluster.stranger(), key_pair()
    asked = await stranger.call(login.BEGIN, login.BeginLogin(passwordless=True))
    assert asked.webauthn_challenge is not None
    answer = msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge)))
    request = login.FinishLogin(webauthn_challenge_response=answer, ssh_pub_key=keys.ssh, tls_pub_key=keys.tls)
    return await stranger.call(login.FINISH, request)


async def test_a_passkey_opens_no_local_login(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        device = await adopted_by_a_provider(cluster)
        with pytest.raises(NotAuthenticated):
            await by_passkey(cluster, device)
        user = await cluster.store.get(User, "alice")
        user.spec.created_by = None
        await cluster.store.upsert(user)
        assert (await by_passkey(cluster, device)).username == "alice"


async def test_neither_does_a_password(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        device = await adopted_by_a_provider(cluster)
        begin = login.BeginLogin(user="alice", password=PASSWORD)
        with pytest.raises(NotAuthenticated):
            await cluster.stranger().call(login.BEGIN, begin)
        with pytest.raises(NotAuthenticated):
            await log_in_with_key(cluster, "alice", device)
