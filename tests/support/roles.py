"""Roles and nodes in one line each, read as people's documents are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from teleport.model.codec import decode_document
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.policy.role_set import RoleSet

ANYTHING = {"*": "*"}


def role(
    name: str = "dev",
    *,
    allow: Mapping[str, Any] | None = None,
    deny: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    version: str = "v7",
) -> Role:
    spec = {"allow": dict(allow or {}), "deny": dict(deny or {}), "options": dict(options or {})}
    document = {"kind": "role", "version": version, "metadata": {"name": name}, "spec": spec}
    return cast("Role", decode_document(document))


def unchecked(name: str, *, allow: Mapping[str, Any] | None = None, deny: Mapping[str, Any] | None = None) -> Role:
    """A role as an older version may have stored it: its texts were never read."""
    made = role(name)
    for side, parts in ((made.spec.allow, allow), (made.spec.deny, deny)):
        for field, value in (parts or {}).items():
            setattr(side, field, value)
    return made


def node(name: str = "web1", **labels: str) -> Node:
    document = {
        "kind": "node",
        "version": "v2",
        "metadata": {"name": f"uuid-{name}", "labels": labels},
        "spec": {"hostname": name},
    }
    return cast("Node", decode_document(document))


def role_set(*roles: Role, **traits: list[str]) -> RoleSet:
    """For alice, with these traits."""
    return RoleSet.of(roles, traits, "alice")
