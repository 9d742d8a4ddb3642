"""Administrative changes need a fresh proof by WebAuthn where nothing else is a second factor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from auth_cluster import TestCluster
from authenticator import SoftwareAuthenticator
from second_factors import answer, call_with, log_in_with_key, prefer, sign_up_with_key

from teleport.api.client import Client
from teleport.api.route import Route
from teleport.api.routes import mfa, resources, tokens, users
from teleport.foundation.errors import AccessDenied, MfaRequired
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget
from teleport.model.resources.role import Role


def new_role(name: str = "made") -> resources.CreateResource:
    role = Role(metadata=Metadata(name=name))
    role.check()
    return resources.CreateResource("role", msgspec.Raw(encode_json(role)))


def new_lock() -> resources.CreateResource:
    lock = Lock(metadata=Metadata(name="stop"), spec=LockSpec(target=LockTarget(user="eve")))
    lock.check()
    return resources.CreateResource("lock", msgspec.Raw(encode_json(lock)))


@pytest.fixture
async def device(cluster: TestCluster) -> SoftwareAuthenticator:
    await prefer(cluster, second_factor="webauthn")
    return await sign_up_with_key(cluster, "boss", "editor")


@pytest.fixture
async def boss(cluster: TestCluster, device: SoftwareAuthenticator) -> Client:
    return await log_in_with_key(cluster, "boss", device)


async def test_changes_without_a_proof_are_refused(cluster: TestCluster, boss: Client) -> None:
    changes: tuple[tuple[Route[Any, Any], Any], ...] = (
        (resources.CREATE, new_role()),
        (resources.CREATE, new_lock()),
        (resources.DELETE, resources.ResourceName("role", "auditor")),
        (users.INVITE, users.InviteUser(name="new", roles=("access",))),
        (users.RESET, users.ResetUser(name="boss")),
        (tokens.CREATE, tokens.CreateToken(roles=("Node",))),
    )
    for route, request in changes:
        with pytest.raises((MfaRequired, AccessDenied)) as refused:
            await boss.call(route, request)
        assert isinstance(refused.value, MfaRequired), route.path
    assert (await boss.call(mfa.REQUIRED, mfa.MfaQuestion(kind="admin_action"))).required


async def test_a_proof_opens_one_change(cluster: TestCluster, boss: Client, device: SoftwareAuthenticator) -> None:
    proof = await answer(boss, device, "admin_action")
    await call_with(boss, proof, resources.CREATE, new_role())
    with pytest.raises(AccessDenied):
        await call_with(boss, proof, resources.CREATE, new_role("another"))


async def test_an_answer_for_a_series_opens_several(
    cluster: TestCluster, boss: Client, device: SoftwareAuthenticator
) -> None:
    proof = await answer(boss, device, "admin_action", allow_reuse=True)
    for name in ("one", "two", "three"):
        await call_with(boss, proof, resources.CREATE, new_role(name))
    with pytest.raises(AccessDenied, match="series"):
        await call_with(boss, proof, users.RESET, users.ResetUser(name="boss"))


async def test_a_series_takes_no_other_answer_and_ends(
    cluster: TestCluster, boss: Client, device: SoftwareAuthenticator
) -> None:
    asked = await boss.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope="admin_action", allow_reuse=True))
    assert asked.webauthn_challenge is not None

    def response() -> mfa.MfaResponse:
        assert asked.webauthn_challenge is not None
        return mfa.MfaResponse(webauthn_response=msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge))))

    first, second = response(), response()
    await call_with(boss, first, resources.CREATE, new_role("one"))
    with pytest.raises(AccessDenied, match="differently"):
        await call_with(boss, second, resources.CREATE, new_role("two"))
    cluster.clock.advance(timedelta(minutes=6))
    with pytest.raises(AccessDenied):
        await call_with(boss, first, resources.CREATE, new_role("three"))


async def test_answers_to_other_questions_open_nothing(
    cluster: TestCluster, boss: Client, device: SoftwareAuthenticator
) -> None:
    other = await sign_up_with_key(cluster, "mallory", "editor")
    mallory = await log_in_with_key(cluster, "mallory", other)
    for proof in (
        await answer(boss, device, "session"),
        await answer(mallory, other, "admin_action"),
        mfa.MfaResponse(totp_code="123456"),
    ):
        with pytest.raises(AccessDenied):
            await call_with(boss, proof, resources.CREATE, new_role())


async def test_where_codes_are_accepted_nobody_is_asked(cluster: TestCluster, boss: Client) -> None:
    await prefer(cluster, second_factor="on")
    await boss.call(resources.CREATE, new_role())
    assert not (await boss.call(mfa.REQUIRED, mfa.MfaQuestion(kind="admin_action"))).required


async def test_the_auth_host_is_exempt(cluster: TestCluster, device: SoftwareAuthenticator) -> None:
    admin = await cluster.admin()
    await admin.call(resources.CREATE, new_role())
    await admin.call(users.INVITE, users.InviteUser(name="new", roles=("access",)))


async def test_who_may_not_is_not_asked(cluster: TestCluster, device: SoftwareAuthenticator) -> None:
    plain = await sign_up_with_key(cluster, "plain", "access")
    client = await log_in_with_key(cluster, "plain", plain)
    with pytest.raises(AccessDenied) as refused:
        await client.call(resources.CREATE, new_role())
    assert not isinstance(refused.value, MfaRequired)


async def test_secrets_are_shown_to_whoever_proves_a_device(
    cluster: TestCluster, boss: Client, device: SoftwareAuthenticator
) -> None:
    """One by one, in lists of a kind, and in the list of tokens."""
    asked: tuple[tuple[Route[Any, Any], Any], ...] = (
        (resources.LIST, resources.ListResources(kind="token", with_secrets=True)),
        (resources.LIST, resources.ListResources(kind="github", with_secrets=True)),
        (tokens.LIST, tokens.ListTokens(with_secrets=True)),
    )
    for route, request in asked:
        with pytest.raises(MfaRequired):
            await boss.call(route, request)
        proof = await answer(boss, device, "admin_action")
        await call_with(boss, proof, route, request)
    await boss.call(tokens.LIST, tokens.ListTokens())
