from __future__ import annotations

from typing import Any

import pytest
from roles import ANYTHING, role

from teleport.foundation.errors import BadParameter
from teleport.model.resources import presets
from teleport.policy import role_texts

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"logins": ["{{internal.unknown}}"]}, "logins"),
    ({"logins": ["{{broken"]}, "logins"),
    ({"host_groups": ["{{email.locale(external.x)}}"]}, "host_groups"),
    ({"node_labels": {"env": "^($"}}, "node_labels.env"),
    ({"node_labels": {"{{x": "y"}}, "node_labels"),
    ({"db_labels_expression": "nonsense"}, "db_labels_expression"),
    ({"rules": [{"resources": ["role"], "verbs": ["read"], "where": "a &&"}]}, "rules[0].where"),
    ({"mcp": {"tools": ["^($"]}}, "mcp.tools"),
    ({"db_permissions": [{"permissions": ["SELECT"], "match": {"env": "^($"}}]}, "db_permissions[0].match.env"),
    (
        {"kubernetes_resources": [{"kind": "pod", "name": "^($", "namespace": "a", "verbs": ["get"]}]},
        "kubernetes_resources[0]",
    ),
    ({"impersonate": {"users": ["x"], "roles": ["y"], "where": "foo()"}}, "impersonate.where"),
    ({"request": {"roles": ["^($"]}}, "request.roles"),
    (
        {"request": {"roles": ["x"], "thresholds": [{"approve": 1, "filter": "oops("}]}},
        "request.thresholds[0].filter",
    ),
    ({"review_requests": {"roles": ["x"], "where": "reviewer.nope == 1"}}, "review_requests.where"),
    (
        {
            "require_session_join": [
                {"name": "x", "filter": "user.nope", "kinds": ["ssh"], "modes": ["peer"], "count": 1}
            ]
        },
        "require_session_join[0].filter",
    ),
    (
        {"join_sessions": [{"roles": ["^($"], "kinds": ["ssh"], "modes": ["peer"]}]},
        "join_sessions[0].roles",
    ),
]


def _unread(allow: dict[str, Any]) -> Any:
    """As it would be stored by a version that did not look at these texts."""
    from teleport.model.documents import convert
    from teleport.model.resources.role_conditions import RoleConditions

    made = role("r")
    made.spec.allow = convert(allow, RoleConditions)
    return made


@pytest.mark.parametrize(("allow", "field"), BROKEN)
def test_names_the_field_that_cannot_be_read(allow: dict[str, Any], field: str) -> None:
    broken = _unread(allow)
    assert [one.field for one in role_texts.mistakes(broken)] == [f"spec.allow.{field}"]
    with pytest.raises(BadParameter, match="role 'r'"):
        role_texts.check(broken)


def test_presets_and_ordinary_roles_can_be_read() -> None:
    for preset in [*presets.presets("no-login-1"), presets.implicit()]:
        role_texts.check(preset)
    role_texts.check(role("r", allow={"logins": ["{{external.email}}"], "node_labels": ANYTHING}))
