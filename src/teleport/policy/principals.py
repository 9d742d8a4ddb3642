"""Whom a person becomes on a resource: Kubernetes users and groups, a host user with groups and sudo rules."""

from __future__ import annotations

from typing import Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.model.resources.node import Node
from teleport.model.resources.static_host_user import HostUserMatcher, StaticHostUser
from teleport.policy.access import granting_roles
from teleport.policy.expressions import Expression
from teleport.policy.languages import LABELS
from teleport.policy.matching import FieldIndex, bits
from teleport.policy.patterns import WILDCARD
from teleport.policy.role_set import RoleSet
from teleport.policy.selectors import LabelSelector


class KubernetesPrincipals(msgspec.Struct, frozen=True):
    users: tuple[str, ...]
    groups: tuple[str, ...]


def kubernetes_principals(role_set: RoleSet, cluster: Resource) -> KubernetesPrincipals:
    """What roles allow on this cluster, less what roles deny there; a deny without labels speaks of every cluster."""
    index, labels = role_set.kind("kube_cluster"), cluster.labels
    allowed = index.allow.mask(labels)
    silent = sum(1 << number for number, one in enumerate(index.deny.conditions) if one.is_empty)
    denying = index.deny.mask(labels) | silent
    return KubernetesPrincipals(
        users=_less(role_set.field("kubernetes_users"), allowed, denying),
        groups=_less(role_set.field("kubernetes_groups"), allowed, denying),
    )


def _less(field: FieldIndex, allowed: int, denying: int) -> tuple[str, ...]:
    if field.broken & denying:
        return ()
    denied = {value for number in bits(denying) for value in field.denied[number]}
    if WILDCARD in denied:
        return ()
    found = dict.fromkeys(value for number in bits(allowed) for value in field.allowed[number])
    return tuple(value for value in found if value not in denied and value != WILDCARD)


class HostUser(msgspec.Struct, frozen=True):
    """A Linux user to be made for the session. `drop` removes it behind the last session."""

    mode: Literal["keep", "insecure-drop"]
    groups: tuple[str, ...]
    sudoers: tuple[str, ...]
    shell: str


def static_account(resource: StaticHostUser, node: Node) -> HostUserMatcher | None:
    """How a node is to have the account; None where it is not meant. Raises BadParameter when that is ambiguous."""
    labels = {"labels": node.labels}
    found = [
        one
        for one in resource.spec.matchers
        if (not one.selector() or LabelSelector(one.selector()).matches(node.labels))
        and (not one.node_labels_expression or Expression(one.node_labels_expression, LABELS).holds(labels))
    ]
    if len(found) > 1:
        raise BadParameter(f"static_host_user {resource.name!r}: {len(found)} matchers match this node, expected one")
    return found[0] if found else None


def host_user(role_set: RoleSet, node: Node, login: str) -> HostUser | None:
    """None unless every role that grants this login here wants the user made; keep wins over drop.

    Raises BadParameter when a deny of groups or sudo rules cannot be read.
    """
    granting = set(granting_roles(role_set, "node", node, {"logins": login}))
    numbers = [number for number, role in enumerate(role_set.roles) if role.name in granting]
    options = [role_set.roles[number].spec.options for number in numbers]
    modes = [one.create_host_user_mode or ("insecure-drop" if one.create_host_user else "off") for one in options]
    if not modes or "off" in modes:
        return None
    mask = sum(1 << number for number in numbers)
    everyone = (1 << len(role_set.roles)) - 1
    for name in ("host_groups", "host_sudoers"):
        if role_set.field(name).broken:
            raise BadParameter(f"a deny of {name} cannot be read, so no host user is made")
    return HostUser(
        mode="keep" if "keep" in modes else "insecure-drop",
        groups=_less(role_set.field("host_groups"), mask, everyone),
        sudoers=_less(role_set.field("host_sudoers"), mask, everyone),
        shell=next((one.create_host_user_default_shell for one in options if one.create_host_user_default_shell), ""),
    )
