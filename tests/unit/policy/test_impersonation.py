from __future__ import annotations

from typing import Any

import pytest
from roles import role, role_set, unchecked

from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.model.resources.role_conditions import ImpersonateConditions
from teleport.policy.impersonation import may_impersonate


def user(name: str, **labels: str) -> Resource:
    document = {
        "kind": "user",
        "version": "v2",
        "metadata": {"name": name, "labels": labels},
        "spec": {"roles": ["ci"]},
    }
    return decode_document(document)


def labelled(name: str, **labels: str) -> Resource:
    made = role(name)
    made.metadata.labels = labels
    return made


SAME_GROUP = (
    'equals(impersonate_role.metadata.labels["group"], impersonate_user.metadata.labels["group"])'
    ' && contains(user.spec.traits["group"], impersonate_role.metadata.labels["group"])'
)


@pytest.mark.parametrize(
    ("allow", "deny", "who", "roles", "expected"),
    [
        ({"users": ["bot"], "roles": ["ci"]}, {}, "bot", ["ci"], True),
        ({"users": ["bot"], "roles": ["ci"]}, {}, "bot", ["ci", "admin"], False),
        ({"users": ["bot"], "roles": ["ci"]}, {}, "other", ["ci"], False),
        ({"users": ["*"], "roles": ["c*"]}, {}, "other", ["ci", "cd"], True),
        ({"users": ["{{external.bots}}"], "roles": ["ci"]}, {}, "bot", ["ci"], True),
        ({"users": ["*"], "roles": ["*"]}, {"users": ["bot"], "roles": ["x"]}, "bot", ["ci"], False),
        ({"users": ["*"], "roles": ["*"]}, {"roles": ["admin"]}, "bot", ["ci", "admin"], False),
        ({"users": ["*"], "roles": ["*"]}, {"roles": ["admin"]}, "bot", ["ci"], True),
        ({"roles": ["ci"]}, {}, None, ["ci"], True),
        ({"roles": ["ci"]}, {}, "bot", ["ci"], False),
        ({"users": ["bot"], "roles": ["ci"]}, {}, "bot", [], False),
        ({"users": ["*"], "roles": ["*"], "where": SAME_GROUP}, {}, "bot", ["ci"], True),
        ({"users": ["*"], "roles": ["*"], "where": SAME_GROUP}, {}, "bot", ["elsewhere"], False),
        ({}, {}, "bot", ["ci"], False),
    ],
)
def test_impersonation(
    allow: dict[str, Any], deny: dict[str, Any], who: str | None, roles: list[str], expected: bool
) -> None:
    mine = role(
        "mine",
        allow={"impersonate": allow} if allow else {},
        deny={"impersonate": deny} if deny else {},
    )
    target = user(who, group="g") if who else None
    asked = [labelled(name, group="h" if name == "elsewhere" else "g") for name in roles]
    decision = may_impersonate(role_set(mine, bots=["bot"], group=["g"]), target, asked)
    assert decision.allowed is expected
    assert "impersonating" in decision.message_for_user()


def test_one_role_must_allow_all_of_it() -> None:
    users = role("users", allow={"impersonate": {"users": ["bot"], "roles": ["x"]}})
    roles = role("roles", allow={"impersonate": {"users": ["y"], "roles": ["ci"]}})
    assert not may_impersonate(role_set(users, roles), user("bot"), [role("ci")]).allowed


def test_a_deny_that_cannot_be_read_denies() -> None:
    everything = role("all", allow={"impersonate": {"users": ["*"], "roles": ["*"]}})
    broken = unchecked("broken", deny={"impersonate": ImpersonateConditions(roles=["^($"])})
    assert not may_impersonate(role_set(everything, broken), user("bot"), [role("ci")]).allowed
