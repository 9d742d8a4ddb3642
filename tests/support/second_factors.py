"""What tests of second factors do again and again: a key for a person, a challenge answered, a setting changed."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from auth_cluster import PublicKeys, TestCluster, authenticator, key_pair
from authenticator import SoftwareAuthenticator

from teleport.api.client import Client
from teleport.api.endpoint import MFA_HEADER
from teleport.api.route import Route
from teleport.api.routes import certificates, login, mfa, users
from teleport.credentials import x509
from teleport.model.identity import Identity
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference

ORIGIN = "https://proxy.example.com:3080"


async def prefer(cluster: TestCluster, **settings: Any) -> None:
    """Change the cluster's auth preference, live."""
    preference = await cluster.store.get_singleton(ClusterAuthPreference)
    fields = {"second_factor": "", "second_factors": preference.spec.second_factors, **settings}
    if not fields["second_factors"]:
        fields["second_factor"] = settings.get("second_factor", preference.spec.second_factor)
    preference.spec = msgspec.structs.replace(preference.spec, **fields)
    preference.check()
    await cluster.store.upsert(preference)


async def sign_up_with_key(
    cluster: TestCluster, name: str, *roles: str, passkey: bool = False, password: str = "a long enough password"
) -> SoftwareAuthenticator:
    """A user whose only device is a WebAuthn one."""
    await cluster.user(name, *roles)
    admin, stranger, device = await cluster.admin(), cluster.stranger("192.0.2.77"), authenticator()
    granted = await admin.call(users.RESET, users.ResetUser(name=name))
    asked = await stranger.call(
        users.REGISTER_CHALLENGE,
        users.RegisterChallengeRequest(
            token=granted.token, device_type="webauthn", device_usage="passwordless" if passkey else "mfa"
        ),
    )
    assert asked.webauthn is not None
    await stranger.call(
        users.SET_PASSWORD,
        users.SetPassword(
            token=granted.token,
            password=password,
            webauthn_creation_response=msgspec.Raw(device.create_json(bytes(asked.webauthn))),
            device_name="key",
        ),
    )
    return device


async def log_in_with_key(
    cluster: TestCluster, name: str, device: SoftwareAuthenticator, address: str = "192.0.2.1"
) -> Client:
    keys = key_pair()
    stranger = cluster.stranger(address)
    asked = await stranger.call(login.BEGIN, login.BeginLogin(user=name, password="a long enough password"))
    assert asked.webauthn_challenge is not None
    granted = await stranger.call(
        login.FINISH,
        login.FinishLogin(
            user=name,
            password="a long enough password",
            webauthn_challenge_response=msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge))),
            ssh_pub_key=keys.ssh,
            tls_pub_key=keys.tls,
        ),
    )
    return cluster.client(granted.tls_cert, address)


async def answer(client: Client, device: SoftwareAuthenticator, scope: str, **fields: Any) -> mfa.MfaResponse:
    asked = await client.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope=scope, **fields))
    assert asked.webauthn_challenge is not None
    return mfa.MfaResponse(webauthn_response=msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge))))


async def call_with(client: Client, response: mfa.MfaResponse, route: Route[Any, Any], request: Any) -> Any:
    """A call that carries the answer to a challenge."""
    text = base64.urlsafe_b64encode(msgspec.json.encode(response)).decode()
    return await Client(client._transport, {MFA_HEADER: text}).call(route, request)


async def session_identity(
    client: Client, response: mfa.MfaResponse | None, keys: PublicKeys | None = None
) -> Identity:
    """What a certificate says that was issued with this answer."""
    keys = keys or key_pair()
    issued = await client.call(
        certificates.ISSUE,
        certificates.IssueCertificates(ssh_public_key=keys.ssh, tls_public_key=keys.tls, mfa_response=response),
    )
    return x509.read_identity(issued.tls_certificate.decode(), "user")
