"""Who can administer users and roles whatever happens: by their own roles, for every user and role, at any hour."""

from __future__ import annotations

from collections.abc import Mapping

from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.policy import actions
from teleport.policy.role_set import RoleSet

_KINDS = ("user", "role")
_VERBS = ("list", "read", "create", "update", "delete")


def administers(user: User, roles: Mapping[str, Role]) -> bool:
    """Only a local person counts whose account and roles do not end by themselves: providers change what they say.

    `roles` by name; what is not there is no role.
    """
    own = [roles.get(name) for name in dict.fromkeys(user.spec.roles)]
    if user.is_sso or user.is_bot or user.expires or user.spec.expires:
        return False
    there = [role for role in own if role is not None and role.expires is None]
    if len(there) != len(own):
        return False
    role_set = RoleSet.of(there, user.spec.traits, user.name).at(None)
    return all(_may_without_condition(role_set, verb, kind) for kind in _KINDS for verb in _VERBS)


def speaks_of_administration(role: Role) -> bool:
    """Whether a rule of it allows or denies anything with users or roles."""
    rules = (*role.spec.allow.rules, *role.spec.deny.rules)
    return any(kind in rule.resources for rule in rules for kind in (*_KINDS, "*"))


def _may_without_condition(role_set: RoleSet, verb: str, kind: str) -> bool:
    """A deny with a condition spares some users or roles, so it does not take the whole right away."""
    for rule in actions.rules_about(role_set, verb, kind):
        if rule.where is None and not rule.broken:
            return not rule.is_deny
    return False
