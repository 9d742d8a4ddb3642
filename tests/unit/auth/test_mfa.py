"""A person's own devices and password: every change asks again for what they know and have."""

from __future__ import annotations

import msgspec
import pytest
from auth_cluster import PASSWORD, Person, TestCluster, authenticator
from second_factors import answer, log_in_with_key, sign_up_with_key

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import mfa, users
from teleport.auth.settings import LOGIN_FAILURES
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, NotFound
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget

NEW_PASSWORD = "another long password"


async def add_key(client: Client, person: Person, name: str = "key") -> mfa.MfaDevice:
    device = authenticator()
    existing = mfa.MfaResponse(totp_code=person.next_code())
    asked = await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type="webauthn", existing=existing))
    assert asked.webauthn is not None
    answer = msgspec.Raw(device.create_json(bytes(asked.webauthn)))
    return await client.call(mfa.ADD_DEVICE, mfa.AddDevice(name=name, webauthn_response=answer))


async def test_adds_lists_and_removes_devices(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    added = await add_key(client, person)
    assert (added.type, added.name) == ("webauthn", "key")
    listed = (await client.call(mfa.DEVICES, Empty())).devices
    assert [device.type for device in listed] == ["totp", "webauthn"]
    proof = mfa.MfaResponse(totp_code=person.next_code())
    await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="key", existing=proof))
    with pytest.raises(NotFound):
        await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="key", existing=proof))
    codes = [event["code"] for event in await cluster.events("mfa.add", "mfa.delete")]
    assert codes == ["T1006I", "T1006I", "T1007I"]


async def test_adds_a_second_application(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    proof = mfa.MfaResponse(totp_code=person.next_code())
    asked = await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type="totp", existing=proof))
    assert asked.totp is not None
    other = Person("alice", asked.totp.secret, cluster.clock)
    assert asked.totp.qr_code.startswith("<svg")
    added = await client.call(mfa.ADD_DEVICE, mfa.AddDevice(name="phone", totp_code=other.code()))
    assert added.name == "phone"
    assert await cluster.log_in(other)


async def test_nothing_is_added_or_removed_without_proof(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    for device_type in ("totp", "webauthn"):
        with pytest.raises(AccessDenied):
            await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type=device_type))
        wrong = mfa.MfaResponse(totp_code="000000")
        with pytest.raises(AccessDenied):
            await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type=device_type, existing=wrong))
    with pytest.raises(AccessDenied):
        await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="authenticator"))


async def test_the_last_device_stays(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    proof = mfa.MfaResponse(totp_code=person.next_code())
    with pytest.raises(BadParameter, match="last device"):
        await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="authenticator", existing=proof))


async def test_a_challenge_counts_for_its_scope_and_once(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    device = authenticator()
    existing = mfa.MfaResponse(totp_code=person.next_code())
    begun = await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type="webauthn", existing=existing))
    assert begun.webauthn is not None
    created = msgspec.Raw(device.create_json(bytes(begun.webauthn)))
    await client.call(mfa.ADD_DEVICE, mfa.AddDevice(name="key", webauthn_response=created))

    async def answer(scope: str) -> mfa.MfaResponse:
        asked = await client.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope=scope))
        assert asked.webauthn_challenge is not None
        return mfa.MfaResponse(webauthn_response=msgspec.Raw(device.get_json(bytes(asked.webauthn_challenge))))

    for scope in ("session", "login", "change_password"):
        proof = await answer(scope)
        with pytest.raises(AccessDenied):
            await client.call(mfa.REMOVE_DEVICE, mfa.RemoveDevice(name="key", existing=proof))
    proof = await answer("manage_devices")
    await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type="totp", existing=proof))
    with pytest.raises(AccessDenied):
        await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type="totp", existing=proof))
    with pytest.raises(BadParameter, match="scope"):
        await answer("everything")
    with pytest.raises(BadParameter, match="again"):
        await client.call(mfa.CHALLENGE, mfa.ChallengeRequest(scope="session", allow_reuse=True))


async def test_changes_the_password_with_the_old_one_and_a_code(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)

    def change(old: str, code: str) -> users.ChangePassword:
        return users.ChangePassword(
            old_password=old.encode(), new_password=NEW_PASSWORD.encode(), second_factor_token=code
        )

    for old, code in ((NEW_PASSWORD, person.next_code()), (PASSWORD, ""), (PASSWORD, "000000")):
        with pytest.raises(NotAuthenticated):
            await client.call(users.CHANGE_PASSWORD, change(old, code))
    await client.call(users.CHANGE_PASSWORD, change(PASSWORD, person.next_code()))
    with pytest.raises(NotAuthenticated):
        await cluster.log_in(person)
    assert "T1005I" in [event["code"] for event in await cluster.events("user.password_change")]


async def test_hosts_have_no_devices(cluster: TestCluster) -> None:
    with pytest.raises(AccessDenied):
        await (await cluster.host("Node")).call(mfa.DEVICES, Empty())


async def test_a_locked_device_proves_nothing(cluster: TestCluster) -> None:
    """Neither a login nor that somebody may add another device; whoever has it guessed nothing, and is told why."""
    device = await sign_up_with_key(cluster, "alice", "access")
    client = await log_in_with_key(cluster, "alice", device)
    (key,) = (await client.call(mfa.DEVICES, Empty())).devices
    spec = LockSpec(target=LockTarget(mfa_device=key.id), message="found on the road")
    await cluster.store.upsert(Lock(metadata=Metadata(name="key"), spec=spec))
    for _ in range(LOGIN_FAILURES + 1):
        with pytest.raises(AccessDenied, match=r"MFADevice.*found on the road"):
            await log_in_with_key(cluster, "alice", device)
        existing = await answer(client, device, "manage_devices")
        with pytest.raises(AccessDenied, match=r"MFADevice.*found on the road"):
            await client.call(mfa.BEGIN_DEVICE, mfa.BeginDevice(device_type="totp", existing=existing))
    told = [event["code"] for event in await cluster.events("user.login", "mfa_auth_challenge.validate")]
    assert (told.count("T1000W"), told.count("T1016W")) == (LOGIN_FAILURES + 1, LOGIN_FAILURES + 1)
    await cluster.store.delete(Lock, "key")
    await log_in_with_key(cluster, "alice", device)
