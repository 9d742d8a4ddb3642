"""59. A local login, by password or passkey, of a user who belongs to an identity provider."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from auth_cluster import PASSWORD, TestCluster, auth_cluster, key_pair
from authenticator import SoftwareAuthenticator
from openid_provider import OpenIdProvider
from second_factors import log_in_with_key, prefer, sign_up_with_key
from single_sign_on import connect, log_in

from teleport.api.routes import login, users
from teleport.foundation.errors import NotAuthenticated, Unsupported
from teleport.model.resources.user import ConnectorRef, CreatedBy, User
from teleport.model.resources.user_secrets import UserSecrets


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


async def test_nor_of_somebody_who_logs_in_at_a_provider(tmp_path: Path) -> None:
    """Even where password and devices are stored under the name, and nothing tells the two refusals apart."""
    async with auth_cluster(tmp_path) as cluster:
        await prefer(cluster, second_factor="on")
        device = await sign_up_with_key(cluster, "alice@example.com", "access", passkey=True)
        secrets = await cluster.store.get(UserSecrets, "alice@example.com")
        await cluster.store.delete(User, "alice@example.com")
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            await log_in(cluster, provider)
        await cluster.store.upsert(secrets)
        with pytest.raises(NotAuthenticated) as by_key:
            await by_passkey(cluster, device)
        begin = login.BeginLogin(user="alice@example.com", password=PASSWORD)
        with pytest.raises(NotAuthenticated) as by_password:
            await cluster.stranger().call(login.BEGIN, begin)
        with pytest.raises(NotAuthenticated) as nobody:
            await cluster.stranger().call(login.BEGIN, login.BeginLogin(user="nobody", password=PASSWORD))
        assert by_key.value.message == by_password.value.message == nobody.value.message
        admin = await cluster.admin()
        with pytest.raises(Unsupported, match="identity provider"):
            await admin.call(users.RESET, users.ResetUser(name="alice@example.com"))
