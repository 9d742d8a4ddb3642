"""55: what a certificate may do does not grow by asking again, by a role that vanished, or by what traits contain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from roles import ANYTHING, node, role, role_set

from teleport.foundation.errors import AccessDenied
from teleport.model.identity import Identity, ResourceId
from teleport.policy.access import AccessState, can_access_node, logins_for, visible
from teleport.policy.actions import may
from teleport.policy.certificate import check_reissue
from teleport.policy.role_set import RoleSet, RoleSetMemory

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NODES = {"logins": ["root"], "node_labels": ANYTHING}
LIMITED = Identity(
    username="alice",
    cluster="c",
    expires=NOW,
    roles=("dev",),
    traits={"logins": ("alice",)},
    allowed_resources=(ResourceId(cluster="c", kind="node", name="uuid-web1"),),
)


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ("dev", "admin")},
        {"traits": {"logins": ("root",)}},
        {"expires": NOW + timedelta(microseconds=1)},
        {"allowed_resources": ()},
        {"username": "root"},
    ],
)
def test_a_reissue_widens_nothing(change: dict[str, Any]) -> None:
    with pytest.raises(AccessDenied):
        check_reissue(LIMITED, msgspec.structs.replace(LIMITED, **change))


def test_a_role_that_vanished_may_have_denied_so_nothing_is_decided_without_it() -> None:
    identity = msgspec.structs.replace(LIMITED, roles=("dev", "gone"))
    dev = role("dev", allow=NODES)
    with pytest.raises(AccessDenied, match="gone"):
        RoleSet.for_identity(identity, [dev])
    with pytest.raises(AccessDenied, match="gone"):
        RoleSetMemory().for_identity(identity, {"dev": dev})


def test_roles_that_the_certificate_does_not_name_are_not_used() -> None:
    admin = role("admin", allow={"rules": [{"resources": ["*"], "verbs": ["*"]}]})
    roles = RoleSet.for_identity(LIMITED, [role("dev", allow=NODES), admin])
    assert not may(roles, "delete", "role").allowed


def test_a_request_for_one_node_reaches_no_other() -> None:
    roles = RoleSet.for_identity(LIMITED, [role("dev", allow=NODES)])
    assert can_access_node(roles, node("web1"), "root", AccessState()).allowed
    assert not can_access_node(roles, node("web2"), "root", AccessState()).allowed
    assert not visible(roles, node("web2"))
    assert logins_for(roles, node("web2")) == []


@pytest.mark.parametrize("value", ["*", "root", "^.*$", "{{external.other}}", "-l", ""])
def test_a_trait_is_text_and_no_pattern_of_logins(value: str) -> None:
    roles = role_set(
        role(allow={"logins": ["{{external.x}}-dev"], "node_labels": ANYTHING}), x=[value], other=["root"]
    )
    for login in ("root", "root-dev2", "anything-dev", "*"):
        assert not can_access_node(roles, node(), login, AccessState()).allowed
