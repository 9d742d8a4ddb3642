from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from roles import node

from teleport.model.codec import decode_document
from teleport.model.identity import Identity
from teleport.model.resources.lock import Lock
from teleport.policy import locks

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ALICE = Identity(
    username="alice",
    cluster="c",
    expires=NOW,
    roles=("dev", "ops"),
    active_requests=("req-1",),
    mfa_verified="mfa-1",
    device_id="dev-1",
    bot_instance_id="bot-1",
    impersonator="boss",
)
AGENT = Identity(username="host-1.c", cluster="c", expires=NOW, system_role="Node", host_id="host-1")


def lock(target: dict[str, str], name: str = "l", message: str = "", expires: timedelta | None = None) -> Lock:
    spec: dict[str, Any] = {"target": target, "message": message}
    if expires is not None:
        spec["expires"] = (NOW + expires).isoformat()
    return cast("Lock", decode_document({"kind": "lock", "version": "v2", "metadata": {"name": name}, "spec": spec}))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"user": "alice"}, True),
        ({"user": "bob"}, False),
        ({"user": "boss"}, True),
        ({"role": "ops"}, True),
        ({"role": "admin"}, False),
        ({"login": "root"}, True),
        ({"login": "ubuntu"}, False),
        ({"mfa_device": "mfa-1"}, True),
        ({"access_request": "req-1"}, True),
        ({"device": "dev-1"}, True),
        ({"bot_instance_id": "bot-1"}, True),
        ({"server_id": "uuid-web1"}, True),
        ({"server_id": "uuid-web1.c"}, True),
        ({"node": "uuid-web1"}, True),
        ({"server_id": "uuid-web2"}, False),
        ({"windows_desktop": "uuid-web1"}, False),
        ({"join_token": "x"}, False),
        ({"user": "alice", "role": "dev"}, True),
        ({"user": "alice", "role": "admin"}, False),
        ({"user": "bob", "role": "dev"}, False),
        ({"user": "alice", "login": "root", "server_id": "uuid-web1"}, True),
        ({"user": "alice", "login": "root", "server_id": "uuid-web2"}, False),
    ],
)
def test_targets(target: dict[str, str], expected: bool) -> None:
    found = locks.blocking([lock(target)], ALICE, node("web1"), NOW, login="root")
    assert (found is not None) is expected


def test_a_lock_on_login_or_server_waits_for_one() -> None:
    for target in ({"login": "root"}, {"server_id": "uuid-web1"}):
        assert locks.blocking([lock(target)], ALICE, None, NOW) is None


def test_a_lock_on_a_session_stops_that_session_alone() -> None:
    one = [lock({"session_id": "s-1"}), lock({"session_id": "s-2", "user": "bob"}, "m")]
    assert locks.blocking(one, ALICE, None, NOW) is None
    assert locks.blocking(one, ALICE, None, NOW, session="s-1") is one[0]
    assert locks.blocking(one, ALICE, None, NOW, session="s-2") is None


def test_a_server_lock_blocks_the_agent_itself() -> None:
    assert locks.blocking([lock({"server_id": "host-1"})], AGENT, None, NOW) is not None
    assert locks.blocking([lock({"server_id": "host-2"})], AGENT, None, NOW) is None
    assert locks.blocking([lock({"user": "host-1.c"})], AGENT, None, NOW) is None


@pytest.mark.parametrize(
    ("left", "in_force"), [(timedelta(seconds=1), True), (timedelta(), False), (-timedelta(1), False)]
)
def test_an_expired_lock_is_none(left: timedelta, in_force: bool) -> None:
    found = locks.blocking([lock({"user": "alice"}, expires=left)], ALICE, None, NOW)
    assert (found is not None) is in_force


def test_the_message_and_the_choice_among_several() -> None:
    several = [lock({"user": "alice"}, "z"), lock({"role": "dev", "user": "alice"}, "a", "left the company")]
    for order in (several, several[::-1]):
        found = locks.blocking(order, ALICE, None, NOW)
        assert found is not None
        assert locks.message(found) == 'lock targeting User:"alice" Role:"dev" is in force: left the company'
    assert locks.message(several[0]) == 'lock targeting User:"alice" is in force'


@pytest.mark.parametrize(
    ("mode", "age", "expected"),
    [
        ("strict", timedelta(minutes=5), False),
        ("strict", timedelta(minutes=5, microseconds=1), True),
        ("strict", None, True),
        ("best_effort", timedelta(days=1), False),
        ("best_effort", None, False),
    ],
)
def test_staleness(mode: str, age: timedelta | None, expected: bool) -> None:
    assert locks.is_stale(mode, age) is expected
