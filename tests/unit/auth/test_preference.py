"""The cluster's auth preference takes effect at once: factors, passkeys, makes of devices, lifetimes, domains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from auth_cluster import TestCluster, auth_cluster
from authenticator import SoftwareAuthenticator
from makers import Maker
from second_factors import ORIGIN, answer, log_in_with_key, prefer, session_identity, sign_up_with_key

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import login, mfa, public, resources, users
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, Unsupported
from teleport.model.codec import encode_json
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference, WebAuthn
from teleport.model.resources.user_secrets import UserSecrets
from teleport.model.values import Duration

Register = Callable[[SoftwareAuthenticator], Awaitable[mfa.MfaDevice]]


async def written(cluster: TestCluster, **settings: object) -> None:
    """As an administrator would: with all checks."""
    preference = await cluster.store.get_singleton(ClusterAuthPreference)
    preference.spec = msgspec.structs.replace(preference.spec, **settings)
    body = msgspec.Raw(encode_json(preference))
    admin = await cluster.admin()
    await admin.call(
        resources.PUT,
        resources.PutResource("cluster_auth_preference", "cluster-auth-preference", body, confirm=True),
    )


async def settings_told(cluster: TestCluster) -> public.AuthSettings:
    return (await cluster.stranger().call(public.PING, Empty())).auth


async def register(client: Client, device: SoftwareAuthenticator, existing: mfa.MfaResponse) -> mfa.MfaDevice:
    begin = mfa.BeginDevice(device_type="webauthn", existing=existing)
    asked = await client.call(mfa.BEGIN_DEVICE, begin)
    assert asked.webauthn is not None
    made = msgspec.Raw(device.create_json(bytes(asked.webauthn)))
    return await client.call(mfa.ADD_DEVICE, mfa.AddDevice(name="other", webauthn_response=made))


async def test_a_factor_that_is_taken_away_opens_nothing(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    person = await cluster.sign_up("alice", "access")
    device = await sign_up_with_key(cluster, "bob", "access")
    bob = await log_in_with_key(cluster, "bob", device)
    assert await cluster.log_in(person)
    assert (await settings_told(cluster)).second_factors == ("webauthn", "otp")
    proof = await answer(bob, device, "session")

    await prefer(cluster, second_factor="otp")
    assert (await settings_told(cluster)).webauthn is None
    with pytest.raises(AccessDenied):
        await session_identity(bob, proof)
    assert (await bob.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope="session"))).webauthn_challenge is None
    assert await cluster.log_in(person)

    await prefer(cluster, second_factor="webauthn")
    assert await log_in_with_key(cluster, "bob", device)
    with pytest.raises(NotAuthenticated):
        await cluster.log_in(person)


async def test_passkeys_alone_may_be_forbidden(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    await sign_up_with_key(cluster, "bob", "access", passkey=True)
    stranger = cluster.stranger()
    assert (await settings_told(cluster)).allow_passwordless
    begin = login.BeginLogin(passwordless=True)
    assert (await stranger.call(login.BEGIN, begin)).webauthn_challenge is not None
    await prefer(cluster, allow_passwordless=False)
    assert not (await settings_told(cluster)).allow_passwordless
    with pytest.raises(Unsupported):
        await stranger.call(login.BEGIN, begin)


async def test_what_a_challenge_of_before_allowed_is_over(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "bob", "access", passkey=True)
    stranger = cluster.stranger()
    asked = await stranger.call(login.BEGIN, login.BeginLogin(passwordless=True))
    assert asked.webauthn_challenge is not None
    response = msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge)))
    await prefer(cluster, allow_passwordless=False)
    from auth_cluster import key_pair

    keys = key_pair()
    request = login.FinishLogin(webauthn_challenge_response=response, ssh_pub_key=keys.ssh, tls_pub_key=keys.tls)
    with pytest.raises(Unsupported):
        await stranger.call(login.FINISH, request)


async def test_only_allowed_makes_are_added(cluster: TestCluster) -> None:
    good, bad = Maker("Good Keys"), Maker("Bad Keys")
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "bob", "access")
    bob = await log_in_with_key(cluster, "bob", device)
    await written(cluster, webauthn=WebAuthn(attestation_allowed_cas=[good.pem]))
    for maker in (bad, None):
        other = SoftwareAuthenticator(ORIGIN, attester=maker.attester() if maker else None)
        with pytest.raises(NotAuthenticated, match="its make"):
            await register(bob, other, await answer(bob, device, "manage_devices"))
    await register(
        bob, SoftwareAuthenticator(ORIGIN, attester=good.attester()), await answer(bob, device, "manage_devices")
    )
    secrets = await cluster.store.get(UserSecrets, "bob")
    kept = [one.webauthn for one in secrets.spec.mfa_devices if one.webauthn is not None]
    assert kept[-1].attestation_type == "packed"
    assert kept[-1].attestation_object, "kept, so that makes can be judged again"

    await written(cluster, webauthn=WebAuthn(attestation_denied_cas=[good.pem]))
    with pytest.raises(NotAuthenticated, match="denied"):
        await register(
            bob, SoftwareAuthenticator(ORIGIN, attester=good.attester()), await answer(bob, device, "manage_devices")
        )
    with pytest.raises(BadParameter, match=r"attestation_allowed_cas\[0\]"):
        await written(cluster, webauthn=WebAuthn(attestation_allowed_cas=["no certificate"]))


async def test_the_domain_of_devices_stays(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    await written(cluster, webauthn=WebAuthn(rp_id="example.com"))
    await written(cluster, webauthn=WebAuthn(rp_id="example.com"), message_of_the_day="hello")
    with pytest.raises(BadParameter, match="rp_id never changes"):
        await written(cluster, webauthn=WebAuthn(rp_id="example.org"))
    with pytest.raises(BadParameter, match="rp_id never changes"):
        await written(cluster, webauthn=None)


async def test_the_first_domain_is_not_set_over_devices_of_another(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    await sign_up_with_key(cluster, "bob", "access")  # bound to proxy.example.com, the proxy's name
    with pytest.raises(BadParameter, match="rp_id never changes"):
        await written(cluster, webauthn=WebAuthn(rp_id="example.com"))
    await written(cluster, webauthn=WebAuthn(rp_id="proxy.example.com"))


async def test_a_file_that_names_another_domain_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await prefer(cluster, second_factor="on")
        await sign_up_with_key(cluster, "bob", "access")
        preference = await cluster.store.get_singleton(ClusterAuthPreference)
        preference.spec.webauthn = WebAuthn(rp_id="example.org")
        await cluster.store.upsert(preference)
        await cluster.service._bootstrap.run()
    assert "WebAuthn devices cannot be used" in caplog.text


async def test_the_usual_lifetime_is_the_cluster_s(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    await written(cluster, default_session_ttl=Duration(hours=2))
    granted = await cluster.log_in_for(person)
    assert granted.expires is not None
    assert granted.expires - cluster.clock.now() <= timedelta(hours=2)


async def test_the_last_device_that_counts_stays(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    device = SoftwareAuthenticator(ORIGIN)
    await register(client, device, mfa.MfaResponse(totp_code=person.next_code()))
    await prefer(cluster, second_factor="webauthn")
    proof = await answer(client, device, "manage_devices")
    with pytest.raises(BadParameter, match="last device"):
        await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="other", existing=proof))
    proof = await answer(client, device, "manage_devices")
    await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="authenticator", existing=proof))


async def test_the_last_passkey_of_a_user_without_password_stays(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "bob", "access", passkey=True, password="")
    stranger = cluster.stranger()
    asked = await stranger.call(login.BEGIN, login.BeginLogin(passwordless=True))
    assert asked.webauthn_challenge is not None
    from auth_cluster import key_pair

    keys = key_pair()
    granted = await stranger.call(
        login.FINISH,
        login.FinishLogin(
            webauthn_challenge_response=msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge))),
            ssh_pub_key=keys.ssh,
            tls_pub_key=keys.tls,
        ),
    )
    client = cluster.client(granted.tls_cert)
    await register(client, SoftwareAuthenticator(ORIGIN), await answer(client, device, "manage_devices"))
    proof = await answer(client, device, "manage_devices")
    with pytest.raises(BadParameter, match="last passkey"):
        await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="key", existing=proof))


async def test_a_reset_takes_devices_and_password(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "bob", "access")
    await (await cluster.admin()).call(users.RESET, users.ResetUser(name="bob"))
    with pytest.raises(NotAuthenticated):
        await log_in_with_key(cluster, "bob", device)
