"""May this person do this (verb) with things of this kind? Decided by `rules` of all roles: deny first, then allow.

Where a rule has a `where`, it counts only when that holds; one that cannot be read or cannot be run never allows,
and on the deny side always denies. Where roles have schedules, ask about the set at the moment. Kinds that are
reached by labels are narrowed further by access.visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.model.resources.role_conditions import Rule
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.expressions import Expression
from teleport.policy.languages import WHERE
from teleport.policy.patterns import WILDCARD
from teleport.policy.role_set import RoleSet

Verb: TypeAlias = Literal[
    "list", "create", "read", "readnosecrets", "update", "delete", "rotate", "use", "enroll", "create_enroll_token"
]

# kind -> the older, wider kind whose rules cover it too
FAMILIES = {
    "oidc": "auth_connector",
    "saml": "auth_connector",
    "github": "auth_connector",
    "connectors": "auth_connector",
    "cluster_auth_preference": "cluster_config",
    "cluster_networking_config": "cluster_config",
    "session_recording_config": "cluster_config",
    "cluster_audit_config": "cluster_config",
    "cluster_name": "cluster_config",
}


class ActionContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a `where` may speak of; parts that are not known read as empty.

    `session` is the end event of a recorded session, `can_view` whether its participant rules let the person see it.
    `host_id` is whose a thing is, for the duties of hosts (policy.system_roles).
    """

    resource: Resource | None = None
    session: msgspec.Struct | Mapping[str, object] | None = None
    ssh_session: Mapping[str, object] | None = None
    session_tracker: Mapping[str, object] | None = None
    impersonate_role: Resource | None = None
    impersonate_user: Resource | None = None
    host_cert: Mapping[str, object] | None = None
    can_view: bool = False
    host_id: str = ""

    def scope(self) -> dict[str, object]:
        """The names of a `where`."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


NOTHING = ActionContext()


class CompiledRule(msgspec.Struct, frozen=True, kw_only=True):
    """`field` says where it stands: `allow.rules[3]`. `broken`: why its condition cannot be read."""

    role: str
    field: str
    is_deny: bool
    verbs: frozenset[str]
    score: int
    where: Expression | None = None
    broken: str = ""

    def speaks_of(self, verb: str) -> bool:
        return verb in self.verbs or WILDCARD in self.verbs or (verb == "readnosecrets" and "read" in self.verbs)

    def holds(self, scope: dict[str, object]) -> bool:
        """A failure to tell counts against the person: a deny holds, an allow does not."""
        if self.broken:
            return self.is_deny
        if self.where is None:
            return True
        try:
            return self.where.holds(scope)
        except BadParameter:
            return self.is_deny

    @property
    def condition(self) -> str:
        return self.broken or (self.where.text if self.where else "")


class _Rules(msgspec.Struct, frozen=True):
    """By kind, the most telling first."""

    deny: dict[str, list[CompiledRule]]
    allow: dict[str, list[CompiledRule]]


def may(role_set: RoleSet, verb: str, kind: str, context: ActionContext = NOTHING) -> Decision:
    """Deny rules of all roles, then allow rules; for the kind itself before those for `*`."""
    rules = _rules(role_set)
    if _is_secret(kind):
        return _refused(Code.NO_RULE_ALLOWS, verb, kind)
    scope = context.scope()
    for rule in _matching(rules.deny, verb, kind):
        if rule.holds(scope):
            return _by_rule(Code.DENIED_BY_RULE, False, rule, verb, kind)
    unmet: list[Reason] = []
    for rule in _matching(rules.allow, verb, kind):
        if rule.holds(scope):
            return _by_rule(Code.ALLOWED_BY_RULE, True, rule, verb, kind)
        unmet.append(_reason(Code.CONDITION_FALSE, rule, verb, kind))
    return _refused(Code.NO_RULE_ALLOWS, verb, kind, unmet)


def may_any(role_set: RoleSet, verb: str, kind: str) -> Decision:
    """Whether something of this kind may exist for which it is allowed: as if each `where` were in favour.

    For lists: ask this once, then `may` for each item. A deny whose `where` cannot be read denies all.
    """
    rules = _rules(role_set)
    if _is_secret(kind):
        return _refused(Code.NO_RULE_ALLOWS, verb, kind)
    for rule in _matching(rules.deny, verb, kind):
        if rule.where is None:
            return _by_rule(Code.DENIED_BY_RULE, False, rule, verb, kind)
    for rule in _matching(rules.allow, verb, kind):
        if not rule.broken:
            return _by_rule(Code.ALLOWED_BY_RULE, True, rule, verb, kind)
    return _refused(Code.NO_RULE_ALLOWS, verb, kind)


def rules_about(role_set: RoleSet, verb: str, kind: str) -> Iterator[CompiledRule]:
    """Those that may decide it, in the order in which they are tried: deny first."""
    if not _is_secret(kind):
        rules = _rules(role_set)
        yield from _matching(rules.deny, verb, kind)
        yield from _matching(rules.allow, verb, kind)


def is_conditional(role_set: RoleSet, verb: str, kind: str) -> bool:
    """Whether the answer depends on the thing itself, so that a list must be asked item by item."""
    rules = _rules(role_set)
    return any(rule.where for side in (rules.deny, rules.allow) for rule in _matching(side, verb, kind))


def _is_secret(kind: str) -> bool:
    """Secret halves are reached by no rule, not even `*`."""
    known = KINDS.get(kind)
    return known is not None and known.secret


def _rules(role_set: RoleSet) -> _Rules:
    return role_set.kept("rules", lambda: _compile(role_set))


def _compile(role_set: RoleSet) -> _Rules:
    sides: tuple[dict[str, list[CompiledRule]], dict[str, list[CompiledRule]]] = ({}, {})
    for role in role_set.roles:
        for is_deny, written in ((True, role.spec.deny.rules), (False, role.spec.allow.rules)):
            for number, rule in enumerate(written):
                compiled = _compiled(role_set, role.name, number, rule, is_deny)
                for kind in rule.resources:
                    sides[0 if is_deny else 1].setdefault(kind, []).append(compiled)
    for side in sides:
        for rules in side.values():
            rules.sort(key=lambda rule: -rule.score)
    return _Rules(*sides)


def _compiled(role_set: RoleSet, role: str, number: int, rule: Rule, is_deny: bool) -> CompiledRule:
    where, broken = None, ""
    if rule.where.strip():
        try:
            where = Expression(rule.where, WHERE, {"user": role_set.user})
        except BadParameter as problem:
            broken = problem.message
    return CompiledRule(
        role=role,
        field=f"{'deny' if is_deny else 'allow'}.rules[{number}]",
        is_deny=is_deny,
        verbs=frozenset(rule.verbs),
        score=_score(rule),
        where=where,
        broken=broken,
    )


def _score(rule: Rule) -> int:
    """How telling a rule is: the higher is tried first."""
    score = 8 if rule.where else 0
    score += 8 if rule.actions else 0
    score += -4 if WILDCARD in rule.resources else 2 if len(rule.resources) == 1 else 0
    return score - (2 if WILDCARD in rule.verbs else 0)


def _matching(side: dict[str, list[CompiledRule]], verb: str, kind: str) -> Iterator[CompiledRule]:
    for name in (kind, FAMILIES.get(kind, ""), WILDCARD):
        for rule in side.get(name, ()):
            if rule.speaks_of(verb):
                yield rule


def _reason(code: Code, rule: CompiledRule, verb: str, kind: str) -> Reason:
    return Reason(code=code, kind=kind, verb=verb, role=rule.role, field=rule.field, detail=rule.condition)


def _by_rule(code: Code, allowed: bool, rule: CompiledRule, verb: str, kind: str) -> Decision:
    roles = (rule.role,) if allowed else ()
    return Decision(allowed=allowed, reason=_reason(code, rule, verb, kind), roles=roles)


def _refused(code: Code, verb: str, kind: str, notes: list[Reason] | None = None) -> Decision:
    return Decision(allowed=False, reason=Reason(code=code, kind=kind, verb=verb), notes=tuple(notes or ()))
