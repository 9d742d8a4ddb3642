from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest
from roles import node

from teleport.model.identity import Identity, SystemRole
from teleport.model.kinds import KINDS, RBAC_ONLY
from teleport.policy import system_roles
from teleport.policy.actions import ActionContext
from teleport.policy.decision import Code

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)
VERBS = ("list", "read", "readnosecrets", "create", "update", "delete", "rotate", "use")


def host(role: str, host_id: str = "me", also: tuple[str, ...] = ()) -> Identity:
    return Identity(
        username=f"{host_id}.c",
        cluster="c",
        expires=EXPIRES,
        system_role=cast("SystemRole", role),
        system_roles=also,
        host_id=host_id,
    )


MINE, OTHERS = ActionContext(host_id="me"), ActionContext(host_id="other")


@pytest.mark.parametrize(
    ("role", "verb", "kind", "context", "expected"),
    [
        ("Node", "create", "event", MINE, True),
        ("Node", "create", "event", OTHERS, False),
        ("Node", "create", "event", ActionContext(), False),
        ("Node", "read", "event", MINE, False),
        ("Node", "list", "event", MINE, False),
        ("Node", "create", "session", MINE, True),
        ("Node", "create", "session", OTHERS, False),
        ("Node", "read", "session", MINE, False),
        ("Node", "list", "session", MINE, False),
        ("Node", "update", "node", MINE, True),
        ("Node", "update", "node", OTHERS, False),
        ("Node", "list", "node", MINE, True),
        ("Node", "list", "node", OTHERS, False),
        ("Node", "read", "role", ActionContext(), True),
        ("Node", "update", "role", MINE, False),
        ("Node", "read", "user", ActionContext(), True),
        ("Node", "read", "user_secrets", MINE, False),
        ("Node", "read", "token", MINE, False),
        ("Node", "readnosecrets", "cert_authority", ActionContext(), True),
        ("Node", "read", "cert_authority", MINE, False),
        ("Node", "rotate", "cert_authority", MINE, False),
        ("Node", "read", "web_session", MINE, False),
        ("Node", "create", "host_cert", OTHERS, False),
        ("Proxy", "list", "node", ActionContext(), True),
        ("Proxy", "update", "node", MINE, False),
        ("Proxy", "read", "session", MINE, False),
        ("Proxy", "list", "event", MINE, False),
        ("Proxy", "create", "web_session", ActionContext(), True),
        ("Proxy", "read", "user_secrets", MINE, False),
        ("Proxy", "create", "token", MINE, False),
        ("App", "create", "node", MINE, False),
        ("Bot", "read", "role", MINE, False),
        ("Instance", "update", "instance", MINE, True),
        ("Instance", "update", "node", MINE, False),
        ("Auth", "delete", "role", ActionContext(), True),
        ("Admin", "create", "token", ActionContext(), True),
        ("", "read", "role", MINE, False),
        ("Nonsense", "read", "role", MINE, False),
    ],
)
def test_duties(role: str, verb: str, kind: str, context: ActionContext, expected: bool) -> None:
    assert system_roles.may(host(role), verb, kind, context).allowed is expected


def test_a_heartbeat_belongs_to_the_host_it_names() -> None:
    own = node("x")
    own.metadata.name = "me"
    assert system_roles.may(host("Node"), "update", "node", ActionContext(resource=own)).allowed
    refused = system_roles.may(host("Node"), "update", "node", ActionContext(resource=node("y")))
    assert refused.reason.code is Code.NOT_OWN
    disguised = ActionContext(resource=own, host_id="other")
    assert not system_roles.may(host("Node"), "update", "node", disguised).allowed


def test_a_host_without_id_owns_nothing() -> None:
    assert not system_roles.may(host("Node", ""), "update", "node", ActionContext(host_id="")).allowed


def test_an_instance_acts_for_the_services_of_its_process_but_never_for_auth() -> None:
    assert system_roles.may(host("Instance", also=("Node",)), "update", "node", MINE).allowed
    for role in ("Auth", "Admin"):
        assert not system_roles.may(host("Instance", also=(role,)), "delete", "role").allowed
    assert not system_roles.may(host("Node", also=("Proxy",)), "list", "node").allowed


@pytest.mark.parametrize("role", ["Node", "App", "Db", "Kube", "WindowsDesktop", "Proxy", "Instance", "Bot"])
def test_no_service_reads_recordings_events_or_secrets_or_changes_rules(role: str) -> None:
    for kind in ("event", "session", "user_secrets", "ca_secrets", "token", "user_token"):
        for verb in ("list", "read"):
            assert not system_roles.may(host(role), verb, kind, MINE).allowed, (verb, kind)
    for kind in ("role", "user", "token", "lock", "cert_authority", "cluster_auth_preference"):
        for verb in ("create", "update", "delete", "rotate"):
            assert not system_roles.may(host(role), verb, kind, MINE).allowed, (verb, kind)


def test_duties_name_only_kinds_that_exist() -> None:
    known = set(KINDS) | RBAC_ONLY | {"*"}
    for role, duties in system_roles.DUTIES.items():
        assert set(duties) <= known, role
        for verbs in duties.values():
            assert {verb.removeprefix(system_roles.OWN) for verb in verbs} <= {*VERBS, "*"}
