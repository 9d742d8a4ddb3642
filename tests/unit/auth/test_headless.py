"""Headless logins: who waits, who may decide, and what an approval is good for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from auth_cluster import PublicKeys, TestCluster, key_pair
from authenticator import SoftwareAuthenticator
from second_factors import answer, log_in_with_key, prefer, sign_up_with_key

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import certificates, headless, mfa
from teleport.api.routes.login import LoginGranted
from teleport.auth.headless import MAX_PENDING, MAX_PENDING_OF_ADDRESS
from teleport.credentials import x509
from teleport.foundation.errors import (
    AccessDenied,
    AlreadyExists,
    BadParameter,
    LimitExceeded,
    NotFound,
    Unsupported,
)
from teleport.model.resources.headless_authentication import HeadlessAuthentication, headless_id

Waiting = asyncio.Task[LoginGranted]


@pytest.fixture
async def device(cluster: TestCluster) -> SoftwareAuthenticator:
    await prefer(cluster, second_factor="on")
    return await sign_up_with_key(cluster, "alice", "access")


@pytest.fixture
async def alice(cluster: TestCluster, device: SoftwareAuthenticator) -> Client:
    return await log_in_with_key(cluster, "alice", device)


async def wait_somewhere(
    cluster: TestCluster, user: str = "alice", keys: PublicKeys | None = None, address: str = "198.51.100.7"
) -> tuple[Waiting, str]:
    """A login that waits; its id."""
    keys = keys or key_pair()
    request = headless.HeadlessLogin(user=user, ssh_pub_key=keys.ssh, tls_pub_key=keys.tls)
    call = cluster.stranger(address).call(headless.LOGIN, request, timeout=20)
    task = asyncio.get_running_loop().create_task(call)
    name = headless_id(keys.ssh)
    async with asyncio.timeout(20):
        while await cluster.store.find(HeadlessAuthentication, name) is None and not task.done():
            await asyncio.sleep(0.005)
    return task, name


async def decide(
    client: Client, name: str, action: str, proof: mfa.MfaResponse | None = None
) -> headless.HeadlessRequest:
    response = proof.webauthn_response if proof else None
    decision = headless.HeadlessDecision(id=name, action=action, webauthn_assertion_response=response)
    return await client.call(headless.DECIDE, decision)


async def codes(cluster: TestCluster) -> list[str]:
    events = await cluster.events("user.login")
    return [event["code"] for event in events if event.get("method") == "headless"]


async def test_an_approval_gives_certificates_of_a_minute(
    cluster: TestCluster, alice: Client, device: SoftwareAuthenticator
) -> None:
    waiting, name = await wait_somewhere(cluster)
    (shown,) = (await alice.call(headless.LIST, Empty())).requests
    assert (shown.id, shown.state, shown.client_ip_address) == (name, "pending", "198.51.100.7")
    assert await alice.call(headless.SHOW, headless.HeadlessId(name)) == shown
    await decide(alice, name, "accept", await answer(alice, device, "headless"))
    granted = await waiting
    identity = x509.read_identity(granted.tls_cert.decode(), "user")
    assert identity.username == "alice"
    assert identity.expires - cluster.clock.now() <= timedelta(minutes=1)
    assert identity.mfa_verified
    assert identity.login_ip == "198.51.100.7"
    assert identity.previous_expires is not None
    assert identity.previous_expires - cluster.clock.now() > timedelta(hours=1)
    assert granted.cert
    assert await codes(cluster) == ["T1012I", "T1013I"]
    assert await cluster.store.find(HeadlessAuthentication, name) is None


async def test_what_was_granted_is_good_for_nothing_further(
    cluster: TestCluster, alice: Client, device: SoftwareAuthenticator
) -> None:
    waiting, name = await wait_somewhere(cluster)
    await decide(alice, name, "accept", await answer(alice, device, "headless"))
    client, keys = cluster.client((await waiting).tls_cert, "198.51.100.7"), key_pair()
    with pytest.raises(AccessDenied, match="exchanged"):
        await client.call(certificates.ISSUE, certificates.IssueCertificates(ssh_public_key=keys.ssh))


async def test_a_denial_ends_the_wait(cluster: TestCluster, alice: Client) -> None:
    waiting, name = await wait_somewhere(cluster)
    assert (await decide(alice, name, "deny")).state == "denied"
    with pytest.raises(AccessDenied, match="denied"):
        await waiting
    assert await codes(cluster) == ["T1012I", "T1014W"]


async def test_nobody_else_decides(cluster: TestCluster, alice: Client, device: SoftwareAuthenticator) -> None:
    other = await sign_up_with_key(cluster, "mallory", "access", "editor")
    mallory = await log_in_with_key(cluster, "mallory", other)
    waiting, name = await wait_somewhere(cluster)
    for action in ("accept", "deny"):
        with pytest.raises(NotFound):
            await decide(mallory, name, action, await answer(mallory, other, "headless"))
    with pytest.raises(NotFound):
        await mallory.call(headless.SHOW, headless.HeadlessId(name))
    assert not (await mallory.call(headless.LIST, Empty())).requests
    with pytest.raises(NotFound):
        await decide(mallory, "no-such-request", "accept")
    assert not waiting.done()
    assert await codes(cluster) == ["T1012I", "T1013W", "T1013W", "T1013W"]
    await decide(alice, name, "deny")
    with pytest.raises(AccessDenied):
        await waiting


async def test_without_a_fresh_proof_of_its_own_nothing_is_approved(
    cluster: TestCluster, alice: Client, device: SoftwareAuthenticator
) -> None:
    other = await sign_up_with_key(cluster, "mallory", "access")
    mallory = await log_in_with_key(cluster, "mallory", other)
    waiting, name = await wait_somewhere(cluster)
    for proof in (None, await answer(alice, device, "session"), await answer(mallory, other, "headless")):
        with pytest.raises(AccessDenied):
            await decide(alice, name, "accept", proof)
    assert not waiting.done()
    proof = await answer(alice, device, "headless")
    await decide(alice, name, "accept", proof)
    await waiting
    again, second = await wait_somewhere(cluster)
    with pytest.raises(AccessDenied):
        await decide(alice, second, "accept", proof)  # replayed
    await decide(alice, second, "deny")
    with pytest.raises(AccessDenied):
        await again


async def test_a_one_time_code_is_not_offered_for_it(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    person = await cluster.sign_up("bob", "access")
    client = await cluster.log_in(person)
    challenge = await client.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope="headless"))
    assert not challenge.totp_challenge


async def test_what_was_decided_stays_decided(
    cluster: TestCluster, alice: Client, device: SoftwareAuthenticator
) -> None:
    waiting, name = await wait_somewhere(cluster)
    await decide(alice, name, "deny")
    with pytest.raises((BadParameter, NotFound)):
        await decide(alice, name, "accept", await answer(alice, device, "headless"))
    with pytest.raises(AccessDenied):
        await waiting


async def test_the_id_belongs_to_the_key(cluster: TestCluster, alice: Client) -> None:
    keys, other = key_pair(), key_pair()
    request = headless.HeadlessLogin(
        user="alice", headless_id=headless_id(other.ssh), ssh_pub_key=keys.ssh, tls_pub_key=keys.tls
    )
    with pytest.raises(BadParameter, match="headless_id"):
        await cluster.stranger().call(headless.LOGIN, request)
    waiting, name = await wait_somewhere(cluster, keys=keys)
    again = headless.HeadlessLogin(user="mallory", ssh_pub_key=keys.ssh, tls_pub_key=keys.tls)
    with pytest.raises(AlreadyExists):
        await cluster.stranger().call(headless.LOGIN, again)
    await decide(alice, name, "deny")
    with pytest.raises(AccessDenied):
        await waiting


async def test_strangers_cannot_fill_a_user_s_list(cluster: TestCluster, alice: Client) -> None:
    tasks = [(await wait_somewhere(cluster))[0] for _ in range(MAX_PENDING_OF_ADDRESS)]
    keys = key_pair()
    request = headless.HeadlessLogin(user="alice", ssh_pub_key=keys.ssh, tls_pub_key=keys.tls)
    with pytest.raises(LimitExceeded):
        await cluster.stranger("198.51.100.7").call(headless.LOGIN, request)
    elsewhere = [f"198.51.100.{20 + number}" for number in range(MAX_PENDING - MAX_PENDING_OF_ADDRESS)]
    tasks += [(await wait_somewhere(cluster, address=address))[0] for address in elsewhere]
    with pytest.raises(LimitExceeded):
        await cluster.stranger("198.51.100.99").call(headless.LOGIN, request)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_unknown_users_wait_like_others(cluster: TestCluster, alice: Client) -> None:
    waiting, _ = await wait_somewhere(cluster, user="nobody-here")
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cluster_may_refuse_them(cluster: TestCluster, alice: Client, device: SoftwareAuthenticator) -> None:
    keys = key_pair()
    waiting, name = await wait_somewhere(cluster)
    await prefer(cluster, allow_headless=False)
    with pytest.raises(Unsupported):
        await decide(alice, name, "accept", await answer(alice, device, "headless"))
    request = headless.HeadlessLogin(user="alice", ssh_pub_key=keys.ssh, tls_pub_key=keys.tls)
    with pytest.raises(Unsupported):
        await cluster.stranger().call(headless.LOGIN, request)
    await decide(alice, name, "deny")
    with pytest.raises(AccessDenied):
        await waiting
