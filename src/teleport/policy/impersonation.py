"""Acting as another user, or with other roles: `impersonate` of allow and deny, both with templates and globs."""

from __future__ import annotations

from collections.abc import Sequence

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.policy import patterns, templates
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.expressions import Expression
from teleport.policy.languages import WHERE
from teleport.policy.role_set import RoleSet


def may_impersonate(role_set: RoleSet, user: Resource | None, roles: Sequence[Resource]) -> Decision:
    """A user with all their roles, or (user None) roles alone. One role must allow it all; deny of any part wins."""
    asked = ", ".join([user.name] if user is not None else [role.name for role in roles])
    for role in role_set.given:
        denied = role.spec.deny.impersonate
        if denied is None:
            continue
        by_user = user is not None and _matches(role_set, denied.users, user.name, on_failure=True)
        if by_user or any(_matches(role_set, denied.roles, one.name, on_failure=True) for one in roles):
            return _answer(False, Code.IMPERSONATION_DENIED, asked, role.name)
    for role in role_set.given:
        allowed = role.spec.allow.impersonate
        if allowed is None or not roles:
            continue
        if user is not None and not _matches(role_set, allowed.users, user.name, on_failure=False):
            continue
        if not all(_matches(role_set, allowed.roles, one.name, on_failure=False) for one in roles):
            continue
        if all(_holds(role_set, allowed.where, user, one) for one in roles):
            return _answer(True, Code.IMPERSONATION_ALLOWED, asked, role.name)
    return _answer(False, Code.IMPERSONATION_NOT_ALLOWED, asked, "")


def _matches(role_set: RoleSet, written: Sequence[str], name: str, on_failure: bool) -> bool:
    for text in written:
        try:
            if any(patterns.matcher(pattern)(name) for pattern in templates.expand([text], role_set.traits)):
                return True
        except BadParameter:
            if on_failure:
                return True
    return False


def _holds(role_set: RoleSet, where: str, user: Resource | None, role: Resource) -> bool:
    if not where.strip():
        return True
    scope = {"impersonate_user": user if user is not None else "", "impersonate_role": role}
    try:
        return Expression(where, WHERE, {"user": role_set.user}).holds(scope)
    except BadParameter:
        return False


def _answer(allowed: bool, code: Code, value: str, role: str) -> Decision:
    roles = (role,) if allowed else ()
    return Decision(allowed=allowed, reason=Reason(code=code, kind="user", value=value, role=role), roles=roles)
