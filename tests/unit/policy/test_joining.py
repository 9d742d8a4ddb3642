"""Joining a session: by policy for the session, and as any other access for the person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from roles import role, role_set

from teleport.model.codec import decode_document
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node, NodeSpec
from teleport.policy.access import AccessState
from teleport.policy.decision import Code
from teleport.policy.joining import Joinable, can_join
from teleport.policy.moderation import Mode
from teleport.policy.options import SessionMFA

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOST = Node(metadata=Metadata(name="11111111-1111-4111-8111-111111111111"), spec=NodeSpec(hostname="web1"))
SESSION = Joinable(owner="olga", owner_roles=("dev",), login="root", host=HOST)
IDENTITY = Identity(username="alice", cluster="example", roles=("joins",), expires=NOW)


def policy(**changes: Any) -> dict[str, Any]:
    return {"name": "p", "roles": ["dev"], "kinds": ["ssh"], "modes": ["observer"], **changes}


def joins(**options: Any) -> Any:
    return role_set(role("joins", allow={"join_sessions": [policy()]}, options=options))


def state(**changes: Any) -> AccessState:
    return AccessState(**{"identity": IDENTITY, "now": NOW, "source_ip": "10.0.0.9", **changes})


@pytest.mark.parametrize(
    ("mode", "expected"), [("observer", True), (None, True), ("peer", False), ("moderator", False)]
)
def test_the_modes_of_the_policy(mode: Mode | None, expected: bool) -> None:
    assert can_join(joins(), SESSION, mode, state()).allowed is expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"session_mfa": SessionMFA(per_session=True, key_policy="none")}, Code.MFA_REQUIRED),
        ({"pinned_ip": "10.0.0.1"}, Code.IP_DIFFERS),
        ({"device_trust": "required"}, Code.DEVICE_REQUIRED),
        ({"locking_mode": "strict"}, Code.LOCKS_STALE),
    ],
)
def test_what_stops_a_person_stops_them_here_too(changes: dict[str, Any], code: Code) -> None:
    decision = can_join(joins(), SESSION, "observer", state(**changes))
    assert (decision.allowed, decision.reason.code) == (False, code)


TARGETS = ({"user": "alice"}, {"login": "root"}, {"server_id": HOST.name}, {"role": "joins"})


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_on_the_person_the_login_or_the_server(target: dict[str, str]) -> None:
    document = {"kind": "lock", "version": "v2", "metadata": {"name": "l"}, "spec": {"target": target}}
    lock = decode_document(document)
    assert isinstance(lock, Lock)
    assert not can_join(joins(), SESSION, "observer", state(locks=(lock,))).allowed


def test_a_role_that_asks_for_a_second_factor_asks_here_too() -> None:
    asking = joins(require_session_mfa=True)
    assert can_join(asking, SESSION, "observer", state()).reason.code is Code.MFA_REQUIRED
    assert can_join(asking, SESSION, "observer", state(mfa_verified=True)).allowed


def test_the_node_need_not_be_reachable_and_may_even_be_denied() -> None:
    denied = role_set(role("joins", allow={"join_sessions": [policy()]}, deny={"node_labels": {"*": "*"}}))
    assert can_join(denied, SESSION, "observer", state()).allowed
