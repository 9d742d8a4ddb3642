from __future__ import annotations

from typing import Any

import pytest
from roles import role, role_set

from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.role_options import RoleOptions
from teleport.policy.enforcement import TABLE, State, unenforced

MODERATED = [
    {"name": "watch", "filter": 'contains(user.roles, "auditor")', "kinds": ["k8s"], "modes": ["peer"], "count": 1}
]


def test_every_field_of_a_role_is_in_the_table() -> None:
    fields = {f"options.{name}" for name in RoleOptions.__struct_fields__} | set(RoleConditions.__struct_fields__)
    assert set(TABLE) == fields


@pytest.mark.parametrize(
    ("parts", "kind", "expected"),
    [
        ({}, "node", []),
        ({"options": {"max_connections": 2}}, "node", []),
        (
            {"options": {"max_kubernetes_connections": 2}},
            "kube_cluster",
            ['options.max_kubernetes_connections 2 (role "r")'],
        ),
        ({"options": {"max_kubernetes_connections": 2}}, "node", []),
        ({"allow": {"require_session_join": MODERATED}}, "node", []),
        ({"allow": {"require_session_join": MODERATED}}, "kube_cluster", ['require_session_join watch (role "r")']),
        ({"allow": {"require_session_join": MODERATED}, "version": "v4"}, "kube_cluster", []),
        ({"allow": {"host_groups": ["docker"]}, "options": {"create_host_user_mode": "keep"}}, "node", []),
        (
            {"options": {"require_session_mfa": True, "device_trust_mode": "required", "pin_source_ip": True}},
            "node",
            [],
        ),
    ],
)
def test_names_restrictions_that_nobody_enforces(parts: dict[str, Any], kind: str, expected: list[str]) -> None:
    assert unenforced(role_set(role("r", **parts)), kind) == expected


def test_only_what_is_not_enforced_has_a_test_for_being_set() -> None:
    for path, entry in TABLE.items():
        has_test = any(entry.restricts(_strict(), kind) for kind in ("node", "kube_cluster"))
        assert has_test is (entry.state is State.NOT_YET), path


def _strict() -> Any:
    options = {"max_connections": 1, "max_kubernetes_connections": 1}
    return role("r", options=options, allow={"require_session_join": MODERATED})
