"""Recovery codes: good once, for one half of what proves a person, never for both."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from auth_cluster import PASSWORD, Person, TestCluster, authenticator
from second_factors import ORIGIN, log_in_with_key, prefer, sign_up_with_key

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import mfa, recovery, users
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, NotFound
from teleport.model.resources.user_secrets import UserSecrets

NEW = "a password chosen later"


@pytest.fixture
async def alice(cluster: TestCluster) -> Person:
    await prefer(cluster, second_factor="on")
    return await cluster.sign_up("alice", "access")


async def codes_of(cluster: TestCluster, person: Person) -> tuple[str, ...]:
    client = await cluster.log_in(person)
    proof = mfa.MfaResponse(totp_code=person.next_code())
    return (await client.call(recovery.NEW_CODES, recovery.NewRecoveryCodes(existing=proof))).codes


async def start(stranger: Client, code: str, lost: str, user: str = "alice") -> str:
    request = recovery.StartRecovery(user=user, recovery_code=code, recover=lost)
    return (await stranger.call(recovery.START, request)).token


async def test_three_codes_that_nobody_can_read_later(cluster: TestCluster, alice: Person) -> None:
    codes = await codes_of(cluster, alice)
    assert len(set(codes)) == 3
    secrets = await cluster.store.get(UserSecrets, "alice")
    kept = [code.reveal() for code in secrets.spec.recovery_codes]
    assert len(kept) == 3
    assert all(one.startswith("$argon2id$") for one in kept)
    client = await cluster.log_in(alice)
    with pytest.raises(AccessDenied):
        await client.call(recovery.NEW_CODES, recovery.NewRecoveryCodes())


async def test_a_person_learns_how_many_codes_are_left(cluster: TestCluster, alice: Person) -> None:
    client = await cluster.log_in(alice)
    assert await client.call(recovery.CODES, Empty()) == recovery.RecoveryCodesKept(left=0)
    made = cluster.clock.now()
    codes = await codes_of(cluster, alice)
    await start(cluster.stranger(), codes[0], "password")
    kept = await client.call(recovery.CODES, Empty())
    assert kept.left == 2
    assert kept.created is not None
    assert kept.created >= made


async def test_a_lost_password_is_replaced_with_the_second_factor(cluster: TestCluster, alice: Person) -> None:
    code, stranger = (await codes_of(cluster, alice))[1], cluster.stranger()
    token = await start(stranger, code.upper().replace("-", " "), "password")
    assert (await stranger.call(recovery.CHALLENGE, recovery.RecoveryToken(token))).totp_challenge
    proof = mfa.MfaResponse(totp_code=alice.next_code())
    approved = await stranger.call(recovery.APPROVE, recovery.ApproveRecovery(token=token, mfa_response=proof))
    finish = recovery.FinishRecovery(token=approved.token, password=NEW)
    fresh = await stranger.call(recovery.FINISH, finish)
    assert len(fresh.codes) == 3
    assert code not in fresh.codes
    with pytest.raises(NotAuthenticated):
        await cluster.log_in(alice)
    with pytest.raises(NotFound):
        await stranger.call(recovery.FINISH, finish)
    kinds = ("recovery_code.generated", "recovery_code.used", "recovery_token.create", "user.password_change")
    told = [event["code"] for event in await cluster.events(*kinds)]
    assert told == ["T1005I", "T1008I", "T1009I", "T6001I", "T6001I", "T1005I", "T1008I"]


async def test_a_lost_device_is_replaced_with_the_password(cluster: TestCluster, alice: Person) -> None:
    stranger, device = cluster.stranger(), authenticator()
    token = await start(stranger, (await codes_of(cluster, alice))[0], "mfa")
    with pytest.raises(BadParameter):
        await stranger.call(recovery.CHALLENGE, recovery.RecoveryToken(token))
    approve = recovery.ApproveRecovery(token=token, password=PASSWORD)
    approved = (await stranger.call(recovery.APPROVE, approve)).token
    begin = users.RegisterChallengeRequest(token=approved, device_type="webauthn")
    asked = await stranger.call(users.REGISTER_CHALLENGE, begin)
    assert asked.webauthn is not None
    made = msgspec.Raw(device.create_json(bytes(asked.webauthn)))
    await stranger.call(
        recovery.FINISH,
        recovery.FinishRecovery(token=approved, webauthn_creation_response=made, device_name="new key"),
    )
    assert await log_in_with_key(cluster, "alice", device)


async def test_a_code_is_good_once_and_the_others_stay(cluster: TestCluster, alice: Person) -> None:
    codes, stranger = await codes_of(cluster, alice), cluster.stranger()
    await start(stranger, codes[0], "password")
    with pytest.raises(NotAuthenticated):
        await start(stranger, codes[0], "password")
    assert await start(stranger, codes[1], "mfa")


async def test_guesses_lock_the_user_and_read_alike(cluster: TestCluster, alice: Person) -> None:
    codes, stranger = await codes_of(cluster, alice), cluster.stranger()
    messages = set()
    for user, code in [("nobody", codes[0]), *[("alice", "tele-aaaa-bbbb-cccc-dddd-eeee")] * 5, ("alice", codes[0])]:
        with pytest.raises(NotAuthenticated) as refused:
            await start(stranger, code, "password", user)
        messages.add(refused.value.message)
    assert len(messages) == 1
    cluster.clock.advance(timedelta(minutes=31))
    assert await start(stranger, codes[0], "password")


async def test_a_code_alone_opens_nothing(cluster: TestCluster, alice: Person) -> None:
    stranger = cluster.stranger()
    for lost, proof in (
        ("password", recovery.ApproveRecovery(token="", password=PASSWORD)),
        ("password", recovery.ApproveRecovery(token="", mfa_response=mfa.MfaResponse(totp_code="000000"))),
        ("mfa", recovery.ApproveRecovery(token="", password="not the password")),
        ("mfa", recovery.ApproveRecovery(token="", mfa_response=mfa.MfaResponse(totp_code=alice.next_code()))),
    ):
        token = await start(stranger, (await codes_of(cluster, alice))[0], lost)
        with pytest.raises(NotAuthenticated):
            await stranger.call(recovery.APPROVE, msgspec.structs.replace(proof, token=token))
        with pytest.raises(NotFound):
            await stranger.call(recovery.FINISH, recovery.FinishRecovery(token=token, password=NEW))
        with pytest.raises(NotFound):
            await stranger.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=token))
        with pytest.raises(NotFound):
            await stranger.call(users.SET_PASSWORD, users.SetPassword(token=token, password=NEW))
        cluster.clock.advance(timedelta(minutes=31))


async def test_what_was_not_lost_cannot_be_replaced(cluster: TestCluster, alice: Person) -> None:
    """Who recovers a password gets no new device by it."""
    stranger = cluster.stranger()
    token = await start(stranger, (await codes_of(cluster, alice))[0], "password")
    proof = mfa.MfaResponse(totp_code=alice.next_code())
    approved = await stranger.call(recovery.APPROVE, recovery.ApproveRecovery(token=token, mfa_response=proof))
    with pytest.raises(NotFound):
        await stranger.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=approved.token))


async def test_steps_end_with_their_time(cluster: TestCluster, alice: Person) -> None:
    codes, stranger = await codes_of(cluster, alice), cluster.stranger()
    token = await start(stranger, codes[0], "mfa")
    cluster.clock.advance(timedelta(hours=3, minutes=1))
    with pytest.raises(NotFound):
        await stranger.call(recovery.APPROVE, recovery.ApproveRecovery(token=token, password=PASSWORD))
    token = await start(stranger, codes[1], "mfa")
    approved = await stranger.call(recovery.APPROVE, recovery.ApproveRecovery(token=token, password=PASSWORD))
    cluster.clock.advance(timedelta(minutes=16))
    with pytest.raises(NotFound):
        await stranger.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=approved.token))


async def test_a_reset_ends_recoveries(cluster: TestCluster, alice: Person) -> None:
    codes, stranger = await codes_of(cluster, alice), cluster.stranger()
    token = await start(stranger, codes[0], "mfa")
    await (await cluster.admin()).call(users.RESET, users.ResetUser(name="alice"))
    with pytest.raises(NotFound):
        await stranger.call(recovery.APPROVE, recovery.ApproveRecovery(token=token, password=PASSWORD))
    with pytest.raises(NotAuthenticated):
        await start(stranger, codes[1], "mfa")


async def test_a_key_proves_what_is_left(cluster: TestCluster) -> None:
    await prefer(cluster, second_factor="on")
    device = await sign_up_with_key(cluster, "bob", "access")
    assert device.origin == ORIGIN
    client = await log_in_with_key(cluster, "bob", device)
    asked = await client.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope="account_recovery"))
    assert asked.webauthn_challenge is not None
    existing = mfa.MfaResponse(webauthn_response=msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge))))
    codes = (await client.call(recovery.NEW_CODES, recovery.NewRecoveryCodes(existing=existing))).codes
    stranger = cluster.stranger()
    token = await start(stranger, codes[0], "password", "bob")
    challenge = (await stranger.call(recovery.CHALLENGE, recovery.RecoveryToken(token))).webauthn_challenge
    assert challenge is not None
    proof = mfa.MfaResponse(webauthn_response=msgspec.Raw(device.get_json(bytes(challenge))))
    assert await stranger.call(recovery.APPROVE, recovery.ApproveRecovery(token=token, mfa_response=proof))
