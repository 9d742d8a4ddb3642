from __future__ import annotations

from typing import Any

import pytest
from roles import ANYTHING, node, role, role_set, unchecked

from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.policy.access import AccessState, can_access
from teleport.policy.principals import host_user, kubernetes_principals


def cluster(**labels: str) -> Resource:
    document: dict[str, Any] = {"kind": "kube_cluster", "version": "v3", "metadata": {"name": "k", "labels": labels}}
    return decode_document(document | {"spec": {}})


def groups(*denies: dict[str, Any], env: str = "prod") -> tuple[str, ...]:
    allow = {"kubernetes_labels": {"env": "prod"}, "kubernetes_groups": ["dev", "{{external.k8s}}"]}
    others = [role(f"d{number}", deny=deny) for number, deny in enumerate(denies)]
    return kubernetes_principals(role_set(role("a", allow=allow), *others, k8s=["ops"]), cluster(env=env)).groups


@pytest.mark.parametrize(
    ("denies", "env", "expected"),
    [
        ([], "prod", ("dev", "ops")),
        ([], "dev", ()),
        ([{"kubernetes_groups": ["ops"]}], "prod", ("dev",)),  # without labels it speaks of every cluster
        ([{"kubernetes_groups": ["ops"], "kubernetes_labels": {"env": "prod"}}], "prod", ("dev",)),
        ([{"kubernetes_groups": ["ops"], "kubernetes_labels": {"env": "dev"}}], "prod", ("dev", "ops")),
        ([{"kubernetes_groups": ["*"]}], "prod", ()),
    ],
)
def test_kubernetes_groups(denies: list[dict[str, Any]], env: str, expected: tuple[str, ...]) -> None:
    assert groups(*denies, env=env) == expected


def test_denying_a_group_does_not_deny_the_cluster() -> None:
    allow = {"kubernetes_labels": ANYTHING, "kubernetes_groups": ["dev"]}
    roles = role_set(role("a", allow=allow), role("d", deny={"kubernetes_groups": ["ops"]}))
    state = AccessState()
    assert can_access(roles, "kube_cluster", cluster(), state).allowed
    assert can_access(roles, "kube_cluster", cluster(), state, {"kubernetes_groups": "dev"}).allowed
    assert not can_access(roles, "kube_cluster", cluster(), state, {"kubernetes_groups": "ops"}).allowed


def made(mode: str | None, login: str = "bob", **allow: Any) -> Any:
    options = {"create_host_user_mode": mode} if mode else {}
    return {"allow": {"logins": [login], "node_labels": ANYTHING, **allow}, "options": options}


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([None], None),
        (["off"], None),
        (["keep"], "keep"),
        (["drop"], "insecure-drop"),
        (["insecure-drop", "keep"], "keep"),
        (["keep", "off"], None),
        (["keep", None], None),
    ],
)
def test_every_granting_role_must_want_the_host_user(modes: list[str | None], expected: str | None) -> None:
    roles = role_set(*[role(f"r{number}", **made(mode)) for number, mode in enumerate(modes)])
    found = host_user(roles, node(), "bob")
    assert (found.mode if found else None) == expected


def test_roles_that_do_not_grant_this_login_have_no_say() -> None:
    roles = role_set(role("a", **made("keep")), role("b", **made("off", login="other")))
    assert host_user(roles, node(), "bob") is not None
    assert host_user(roles, node(), "other") is None
    assert host_user(roles, node(), "nobody") is None


def test_groups_and_sudo_rules_less_what_is_denied() -> None:
    rich = made("keep", host_groups=["docker", "{{external.team}}"], host_sudoers=["ALL=(ALL) NOPASSWD: ALL"])
    roles = [role("a", **rich), role("d", deny={"host_groups": ["docker"]})]
    found = host_user(role_set(*roles, team=["blue"]), node(), "bob")
    assert found is not None
    assert (found.groups, found.sudoers) == (("blue",), ("ALL=(ALL) NOPASSWD: ALL",))
    denied = host_user(role_set(*roles, role("no", deny={"host_sudoers": ["*"]})), node(), "bob")
    assert denied is not None
    assert denied.sudoers == ()
    with pytest.raises(BadParameter, match="host_sudoers"):
        host_user(role_set(*roles, unchecked("x", deny={"host_sudoers": ["{{x"]})), node(), "bob")
