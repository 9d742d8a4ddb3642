from __future__ import annotations

from typing import Any

import pytest
from roles import ANYTHING, role, role_set, unchecked

from teleport.model.codec import decode_document
from teleport.model.resources.role_conditions import Rule
from teleport.policy.actions import ActionContext, is_conditional, may, may_any
from teleport.policy.decision import Code


def rules(*written: dict[str, Any]) -> dict[str, Any]:
    return {"rules": list(written)}


def rule(resources: list[str] | str, verbs: list[str] | str, where: str = "") -> dict[str, Any]:
    as_lists = {
        name: [value] if isinstance(value, str) else value
        for name, value in (("resources", resources), ("verbs", verbs))
    }
    return as_lists | ({"where": where} if where else {})


OWN_SESSIONS = "contains(session.participants, user.metadata.name)"


@pytest.mark.parametrize(
    ("allow", "deny", "verb", "kind", "expected"),
    [
        (rules(rule("role", "read")), {}, "read", "role", True),
        (rules(rule("role", "read")), {}, "list", "role", False),
        (rules(rule("role", "list")), {}, "read", "role", False),
        (rules(rule("role", "read")), {}, "readnosecrets", "role", True),
        (rules(rule("role", "readnosecrets")), {}, "read", "role", False),
        (rules(rule("role", "*")), {}, "delete", "role", True),
        (rules(rule("*", "*")), {}, "delete", "role", True),
        (rules(rule("*", "read")), {}, "delete", "role", False),
        (rules(rule("role", "read")), {}, "read", "user", False),
        (rules(rule(["role", "user"], ["read", "list"])), {}, "list", "user", True),
        (rules(rule("*", "*")), rules(rule("role", "delete")), "delete", "role", False),
        (rules(rule("role", "*")), rules(rule("*", "*")), "read", "role", False),
        (rules(rule("role", "*")), rules(rule("*", "delete")), "read", "role", True),
        (rules(rule("role", "readnosecrets")), rules(rule("role", "read")), "readnosecrets", "role", False),
        (rules(rule("auth_connector", "read")), {}, "read", "github", True),
        (rules(rule("auth_connector", "read")), {}, "read", "saml", True),
        (rules(rule("github", "read")), {}, "read", "saml", False),
        (rules(rule("github", "read")), rules(rule("auth_connector", "read")), "read", "github", False),
        (rules(rule("cluster_config", "update")), {}, "update", "cluster_auth_preference", True),
        (rules(rule("role", "read", "false")), {}, "read", "role", False),
        (rules(rule("role", "read", "true")), {}, "read", "role", True),
        (rules(rule("role", "read", "false"), rule("*", "read")), {}, "read", "role", True),
        (rules(rule("role", "*")), rules(rule("role", "read", "false")), "read", "role", True),
        (rules(rule("role", "*")), rules(rule("role", "read", "true")), "read", "role", False),
        ({}, {}, "list", "node", True),
        ({}, {}, "read", "cert_authority", False),
        ({}, {}, "readnosecrets", "cert_authority", True),
        ({}, {}, "list", "user", False),
        ({}, rules(rule("node", "list")), "list", "node", False),
        ({"node_labels": ANYTHING}, {}, "update", "node", False),
    ],
)
def test_rules(allow: dict[str, Any], deny: dict[str, Any], verb: str, kind: str, expected: bool) -> None:
    apart = role_set(role("a", allow=allow), role("b", deny=deny))
    assert may(apart, verb, kind).allowed is expected
    assert may(role_set(role(allow=allow, deny=deny)), verb, kind).allowed is expected


@pytest.mark.parametrize("kind", ["ca_secrets", "user_secrets", "web_session", "user_token"])
def test_no_rule_reaches_secret_halves(kind: str) -> None:
    everything = role_set(role(allow=rules(rule("*", "*"), rule(kind, "*"))))
    assert not may(everything, "read", kind).allowed
    assert not may_any(everything, "list", kind).allowed


def test_where_sees_session_and_user() -> None:
    roles = role_set(role(allow=rules(rule("session", ["list", "read"], OWN_SESSIONS))))
    mine, others = ({"participants": [name]} for name in ("alice", "bob"))
    assert may(roles, "read", "session", ActionContext(session=mine)).allowed
    refused = may(roles, "read", "session", ActionContext(session=others))
    assert not refused.allowed
    assert refused.notes[0].code is Code.CONDITION_FALSE
    assert OWN_SESSIONS in refused.message_for_administrator()
    assert not may(roles, "read", "session").allowed
    assert may_any(roles, "list", "session").allowed
    assert is_conditional(roles, "list", "session")
    assert not is_conditional(roles, "list", "node")


def test_where_sees_the_resource() -> None:
    where = 'resource.metadata.labels["team"] == "a" && contains(user.spec.traits["team"], "a")'
    roles = role_set(role(allow=rules(rule("role", "update", where))), team=["a"])
    for team, expected in (("a", True), ("b", False)):
        document = {"kind": "role", "version": "v7", "metadata": {"name": "x", "labels": {"team": team}}, "spec": {}}
        target = decode_document(document)
        assert may(roles, "update", "role", ActionContext(resource=target)).allowed is expected


def test_where_sees_the_kind_of_authority() -> None:
    roles = role_set(role(allow=rules(rule("cert_authority", "rotate", 'system.catype() == "host"'))))
    spec = {"type": "host", "cluster_name": "c"}
    document = {
        "kind": "cert_authority",
        "sub_kind": "host",
        "version": "v2",
        "metadata": {"name": "c"},
        "spec": spec,
    }
    authority = decode_document(document)
    assert may(roles, "rotate", "cert_authority", ActionContext(resource=authority)).allowed
    assert not may(roles, "rotate", "cert_authority").allowed


@pytest.mark.parametrize("where", ["nonsense(", "unknown.name", 'foo("x")', 'resource.metadata.name == "x" &&'])
def test_a_where_that_cannot_be_read_never_helps(where: str) -> None:
    broken = [Rule(resources=["role"], verbs=["read"], where=where)]
    allowing = role_set(unchecked("r", allow={"rules": broken}))
    assert not may(allowing, "read", "role").allowed
    assert not may_any(allowing, "read", "role").allowed
    denying = role_set(unchecked("r", deny={"rules": broken}), role("all", allow=rules(rule("*", "*"))))
    assert may(denying, "read", "role").reason.code is Code.DENIED_BY_RULE
    assert not may_any(denying, "read", "role").allowed


def test_the_most_telling_rule_is_named() -> None:
    allow = rules(rule(["role", "user"], "*"), rule("role", "read", "true"), rule("*", "*"))
    decision = may(role_set(role("r", allow=allow)), "read", "role")
    assert decision.reason.field == "allow.rules[1]"
    assert decision.roles == ("r",)


def test_refusals_say_what_would_be_needed() -> None:
    told = may(role_set(role()), "create", "token").message_for_user()
    assert 'a role with a rule for resources ["token"] and verbs ["create"] is needed' in told
    denied = may(role_set(role("no", deny=rules(rule("token", "create")))), "create", "token").message_for_user()
    assert 'role "no" denies it by deny.rules[0]' in denied
