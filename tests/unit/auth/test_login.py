"""Signing up and logging in, by password and code and by passkey, and everything that is refused."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from auth_cluster import PASSWORD, Person, TestCluster, authenticator, key_pair

from teleport.api.route import Empty
from teleport.api.routes import login, users
from teleport.api.routes.cluster import WHO_AM_I
from teleport.credentials import ssh_certificates, x509
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound
from teleport.model.resources.user import User

REFUSAL = "invalid username, password or second factor"


def attempt(person: Person, password: str = PASSWORD, code: str = "", name: str = "") -> login.FinishLogin:
    keys = key_pair()
    return login.FinishLogin(
        user=name or person.name, password=password, totp_code=code, ssh_pub_key=keys.ssh, tls_pub_key=keys.tls
    )


async def test_logs_in_with_password_and_code(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access", logins=["alice", "root"])
    granted = await cluster.log_in_for(person)
    identity = x509.read_identity(granted.tls_cert, "user")
    certificate = ssh_certificates.read_user(granted.cert.decode())
    assert identity.username == "alice"
    assert identity.roles == ("access",)
    assert set(identity.logins) == {"alice", "root"}
    assert certificate.identity.username == "alice"
    assert {"alice", "root"} <= set(certificate.principals)
    assert identity.expires <= cluster.clock.now() + timedelta(hours=12)
    assert granted.host_signers[0].domain_name == "example"
    me = await cluster.client(granted.tls_cert).call(WHO_AM_I, Empty())
    assert me.username == "alice"
    assert "list" in me.allowed["node"]
    assert "role" not in me.allowed
    (event,) = await cluster.events("user.login")
    assert (event["code"], event["user"], event["success"]) == ("T1000I", "alice", True)
    (issued,) = await cluster.events("cert.create")
    assert issued["identity"]["user"] == "alice"


async def test_the_lifetime_is_cut_to_what_is_asked_and_to_thirty_hours(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    short = await cluster.log_in_for(person, timedelta(minutes=5))
    long = await cluster.log_in_for(person, timedelta(days=30))
    assert short.expires is not None
    assert long.expires is not None
    assert short.expires <= cluster.clock.now() + timedelta(minutes=5)
    assert long.expires <= cluster.clock.now() + timedelta(hours=30)


async def test_asks_for_the_second_factor_only_after_the_right_password(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    stranger = cluster.stranger()
    asked = await stranger.call(login.BEGIN, login.BeginLogin(user=person.name, password=PASSWORD))
    assert asked.totp_challenge
    for name, password in (("alice", "not the password"), ("nobody", PASSWORD)):
        with pytest.raises(NotAuthenticated, match=REFUSAL):
            await stranger.call(login.BEGIN, login.BeginLogin(user=name, password=password))


@pytest.mark.parametrize("wrong", ["password", "code", "user", "no code"])
async def test_every_failure_reads_the_same(cluster: TestCluster, wrong: str) -> None:
    person = await cluster.sign_up("alice", "access")
    request = {
        "password": attempt(person, password="not the password", code=person.next_code()),
        "code": attempt(person, code="000000"),
        "user": attempt(person, code=person.next_code(), name="mallory"),
        "no code": attempt(person),
    }[wrong]
    with pytest.raises(NotAuthenticated) as refused:
        await cluster.stranger().call(login.FINISH, request)
    assert refused.value.message == REFUSAL
    (event,) = await cluster.events("user.login")
    assert (event["code"], event["success"]) == ("T1000W", False)
    assert event["error"] != REFUSAL


async def test_a_code_is_accepted_once(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    code = person.next_code()
    await cluster.stranger().call(login.FINISH, attempt(person, code=code))
    with pytest.raises(NotAuthenticated):
        await cluster.stranger().call(login.FINISH, attempt(person, code=code))


async def test_five_failures_lock_the_user_until_an_administrator_or_time_unlocks(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await cluster.stranger().call(login.FINISH, attempt(person, password="not the password"))
    with pytest.raises(NotAuthenticated, match=REFUSAL):
        await cluster.log_in_for(person)
    user = await cluster.store.get(User, "alice")
    assert user.spec.status is not None
    assert user.spec.status.is_locked
    user.spec.status.is_locked = False
    await cluster.store.update(user)
    await cluster.log_in_for(person)
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await cluster.stranger().call(login.FINISH, attempt(person, code="000000"))
    cluster.clock.advance(timedelta(minutes=31))
    await cluster.log_in_for(person)


async def test_failures_that_are_far_apart_lock_nobody(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    for _ in range(8):
        with pytest.raises(NotAuthenticated):
            await cluster.stranger().call(login.FINISH, attempt(person, password="not the password"))
        cluster.clock.advance(timedelta(minutes=9))
    await cluster.log_in_for(person)


async def test_logs_in_by_a_passkey_alone(cluster: TestCluster) -> None:
    await cluster.user("alice", "access")
    admin, stranger, device = await cluster.admin(), cluster.stranger(), authenticator()
    granted = await admin.call(users.RESET, users.ResetUser(name="alice"))
    asked = await stranger.call(
        users.REGISTER_CHALLENGE,
        users.RegisterChallengeRequest(token=granted.token, device_type="webauthn", device_usage="passwordless"),
    )
    assert asked.webauthn is not None
    created = msgspec.Raw(device.create_json(bytes(asked.webauthn)))
    await stranger.call(
        users.SET_PASSWORD, users.SetPassword(token=granted.token, webauthn_creation_response=created)
    )
    challenge = await stranger.call(login.BEGIN, login.BeginLogin(passwordless=True))
    assert challenge.webauthn_challenge is not None
    answer = msgspec.Raw(device.get_json(bytes(challenge.webauthn_challenge)))
    keys = key_pair()
    request = login.FinishLogin(webauthn_challenge_response=answer, tls_pub_key=keys.tls)
    logged_in = await stranger.call(login.FINISH, request)
    assert logged_in.username == "alice"
    assert logged_in.cert == b""
    with pytest.raises(NotAuthenticated, match=REFUSAL):
        await stranger.call(login.FINISH, request)


async def test_logs_in_with_a_password_and_a_security_key(cluster: TestCluster) -> None:
    await cluster.user("alice", "access")
    admin, stranger, device = await cluster.admin(), cluster.stranger(), authenticator()
    granted = await admin.call(users.RESET, users.ResetUser(name="alice"))
    asked = await stranger.call(
        users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=granted.token, device_type="webauthn")
    )
    assert asked.webauthn is not None
    created = msgspec.Raw(device.create_json(bytes(asked.webauthn)))
    with pytest.raises(BadParameter, match="password"):
        await stranger.call(
            users.SET_PASSWORD, users.SetPassword(token=granted.token, webauthn_creation_response=created)
        )
    asked = await stranger.call(
        users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=granted.token, device_type="webauthn")
    )
    assert asked.webauthn is not None
    created = msgspec.Raw(device.create_json(bytes(asked.webauthn)))
    await stranger.call(
        users.SET_PASSWORD,
        users.SetPassword(token=granted.token, password=PASSWORD, webauthn_creation_response=created),
    )
    challenge = await stranger.call(login.BEGIN, login.BeginLogin(user="alice", password=PASSWORD))
    assert challenge.webauthn_challenge is not None
    assert not challenge.totp_challenge
    answer = msgspec.Raw(device.get_json(bytes(challenge.webauthn_challenge)))
    keys = key_pair()
    request = login.FinishLogin(
        user="alice", password=PASSWORD, webauthn_challenge_response=answer, tls_pub_key=keys.tls
    )
    assert (await stranger.call(login.FINISH, request)).username == "alice"


async def test_a_sign_up_link_works_once_and_ends_in_time(cluster: TestCluster) -> None:
    await cluster.user("alice", "access")
    admin, stranger = await cluster.admin(), cluster.stranger()
    granted = await admin.call(users.RESET, users.ResetUser(name="alice"))
    assert granted.url == f"https://proxy.example.com:3080/web/reset/{granted.token}"
    shown = await stranger.call(users.SHOW_TOKEN, users.UserToken(granted.token))
    assert shown.user == "alice"
    await cluster.answer_link(stranger, "alice", granted.token)
    with pytest.raises(NotFound):
        await stranger.call(users.SHOW_TOKEN, users.UserToken(granted.token))
    late = await admin.call(users.RESET, users.ResetUser(name="alice", ttl=timedelta(minutes=1)))
    cluster.clock.advance(timedelta(minutes=2))
    with pytest.raises(NotFound):
        await stranger.call(users.SHOW_TOKEN, users.UserToken(late.token))


async def test_a_new_link_replaces_the_old_one(cluster: TestCluster) -> None:
    await cluster.user("alice", "access")
    admin, stranger = await cluster.admin(), cluster.stranger()
    first = await admin.call(users.RESET, users.ResetUser(name="alice"))
    await admin.call(users.RESET, users.ResetUser(name="alice"))
    with pytest.raises(NotFound):
        await stranger.call(users.SHOW_TOKEN, users.UserToken(first.token))


async def test_a_short_password_is_refused_and_the_link_stays(cluster: TestCluster) -> None:
    await cluster.user("alice", "access")
    admin, stranger = await cluster.admin(), cluster.stranger()
    granted = await admin.call(users.RESET, users.ResetUser(name="alice"))
    asked = await stranger.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=granted.token))
    assert asked.totp is not None
    person = Person("alice", asked.totp.secret, cluster.clock)
    with pytest.raises(BadParameter, match="12"):
        await stranger.call(
            users.SET_PASSWORD,
            users.SetPassword(token=granted.token, password="short", second_factor_token=person.code()),
        )
    await cluster.answer_link(stranger, "alice", granted.token)
    assert await cluster.log_in(cluster.people["alice"])


async def test_a_reset_ends_password_devices_and_lock(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    admin = await cluster.admin()
    await admin.call(users.RESET, users.ResetUser(name="alice"))
    with pytest.raises(NotAuthenticated):
        await cluster.log_in_for(person)


async def test_links_may_not_be_valid_for_longer_than_the_limit(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    with pytest.raises(BadParameter, match="48h"):
        await admin.call(users.INVITE, users.InviteUser(name="bob", roles=("access",), ttl=timedelta(hours=49)))
    await cluster.user("alice", "access")
    with pytest.raises(BadParameter, match="24h"):
        await admin.call(users.RESET, users.ResetUser(name="alice", ttl=timedelta(hours=25)))
