"""Kubernetes: who reaches a cluster, as which users and groups, and which objects in it.

The cluster's labels are matched first; objects are then judged by `kubernetes_resources` of the roles whose labels
match. Lists are not refused but filtered, object by object: ask `ObjectFilter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from teleport.model.resource import Resource
from teleport.policy.access import AccessState, decide, display_name
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.kubernetes_objects import KubernetesObject
from teleport.policy.kubernetes_rules import RoleRules, compile_rules
from teleport.policy.matching import Problem, bits
from teleport.policy.principals import KubernetesPrincipals, kubernetes_principals
from teleport.policy.role_set import RoleSet

FIELD = "kubernetes_resources"
_CLUSTER = "kube_cluster"


class _Rules(msgspec.Struct, frozen=True):
    """By role number."""

    allow: tuple[RoleRules, ...]
    deny: tuple[RoleRules, ...]


def _rules(role_set: RoleSet) -> _Rules:
    return role_set.kept(FIELD, lambda: _compile(role_set))


def _compile(role_set: RoleSet) -> _Rules:
    sides: list[tuple[RoleRules, ...]] = []
    for is_deny in (False, True):
        compiled = [compile_rules(role, role_set.traits, is_deny=is_deny) for role in role_set.roles]
        for role, one in zip(role_set.roles, compiled, strict=True):
            if one.message:
                field = f"{'deny' if is_deny else 'allow'}.{FIELD}"
                role_set.note(Problem(role=role.name, field=field, is_deny=is_deny, message=one.message))
        sides.append(tuple(compiled))
    return _Rules(*sides)


class AskedObject:
    """Verbs on an object of a cluster, all of which one role must allow."""

    __slots__ = ("_cluster", "_rules", "_thing", "_verbs", "allow", "broken", "deny", "name", "value")

    def __init__(self, role_set: RoleSet, cluster: Resource, verbs: Sequence[str], thing: KubernetesObject) -> None:
        self.name = FIELD
        self.value = f"{','.join(verbs)} {thing}"
        self._cluster = cluster
        self._verbs = tuple(verbs)
        self._thing = thing
        self._rules = _rules(role_set)
        self.allow = _mask(self._rules.allow, lambda one: all(one.allows(verb, thing) for verb in verbs))
        concerned = _denying(role_set, cluster)
        self.deny = concerned & _mask(self._rules.deny, lambda one: any(one.denies(verb, thing) for verb in verbs))
        self.broken = self.deny & _mask(self._rules.deny, lambda one: one.is_broken)

    def wanted(self, number: int) -> tuple[str, ...]:
        return tuple(rule.text for rule in self._rules.allow[number].rules)

    def of(self, role_set: RoleSet) -> AskedObject:
        return AskedObject(role_set, self._cluster, self._verbs, self._thing)


def _mask(rules: Sequence[RoleRules], test: Callable[[RoleRules], bool]) -> int:
    return sum(1 << number for number, one in enumerate(rules) if test(one))


def _denying(role_set: RoleSet, cluster: Resource) -> int:
    """The roles whose deny speaks of this cluster: by labels, or by saying nothing of labels."""
    index = role_set.kind(_CLUSTER)
    silent = sum(1 << number for number, one in enumerate(index.deny.conditions) if one.is_empty)
    return index.deny.mask(cluster.labels) | silent


def can_access_object(
    role_set: RoleSet, cluster: Resource, verbs: Sequence[str], thing: KubernetesObject, state: AccessState
) -> Decision:
    """A call to a cluster: reaching it, and what the call does there. No verbs: a call nobody knows, refused.

    Calls that are about no object (`/version`, discovery) are decided by can_access alone.
    """
    if not verbs:
        reason = Reason(code=Code.NOTHING_ALLOWS, kind=_CLUSTER, name=display_name(cluster))
        return Decision(allowed=False, reason=reason)
    return decide(role_set, _CLUSTER, cluster, state, [AskedObject(role_set, cluster, verbs, thing)])


class ObjectFilter:
    """Which of many objects a person may see in an answer of one cluster. Made for a role set at a moment."""

    def __init__(self, role_set: RoleSet, cluster: Resource, verb: str = "list") -> None:
        rules = _rules(role_set)
        index = role_set.kind(_CLUSTER)
        self._verb = verb
        self._is_denied = index.deny.any(cluster.labels)
        self._allow = [rules.allow[number] for number in bits(index.allow.mask(cluster.labels))]
        self._deny = [rules.deny[number] for number in bits(_denying(role_set, cluster))]

    def keeps(self, thing: KubernetesObject) -> bool:
        """`thing` has its name and, where it has one, its namespace."""
        if self._is_denied or any(one.denies(self._verb, thing) for one in self._deny):
            return False
        return any(one.allows(self._verb, thing) for one in self._allow)

    def kept(self, things: Iterable[KubernetesObject]) -> Iterator[KubernetesObject]:
        return (thing for thing in things if self.keeps(thing))


class Impersonation(msgspec.Struct, frozen=True):
    """What the headers of a call to the API server say; `decision` tells why not."""

    decision: Decision
    user: str = ""
    groups: tuple[str, ...] = ()


def impersonation(role_set: RoleSet, cluster: Resource, user: str = "", groups: Sequence[str] = ()) -> Impersonation:
    """As whom a call is made: what the client asked for (`--as`, `--as-group`), within what roles allow there.

    Nothing asked: the one user that is allowed, or the person's own name where roles give only groups; all groups.
    """
    allowed = kubernetes_principals(role_set, cluster)
    if not allowed.users and not allowed.groups:
        return _refused(cluster, Code.NO_KUBERNETES_PRINCIPALS)
    for field, asked, listed in (
        ("user", (user,) if user else (), allowed.users or (role_set.username,)),
        ("group", tuple(groups), allowed.groups),
    ):
        for value in asked:
            if value not in listed:
                return _refused(
                    cluster, Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED, field=field, value=value, wanted=listed
                )
    if not user and len(allowed.users) > 1:
        return _refused(cluster, Code.KUBERNETES_USER_OPEN, wanted=allowed.users)
    chosen = user or next(iter(allowed.users), role_set.username)
    reason = Reason(
        code=Code.ALLOWED_BY_ROLE, kind=_CLUSTER, name=display_name(cluster), role=_giver(role_set, allowed)
    )
    return Impersonation(Decision(allowed=True, reason=reason), chosen, tuple(groups) or allowed.groups)


def _giver(role_set: RoleSet, allowed: KubernetesPrincipals) -> str:
    field, value = (
        ("kubernetes_users", allowed.users[0]) if allowed.users else ("kubernetes_groups", allowed.groups[0])
    )
    return next(iter(role_set.role_names(role_set.field(field).allow_mask(value))), "")


def _refused(
    cluster: Resource, code: Code, *, field: str = "", value: str = "", wanted: tuple[str, ...] = ()
) -> Impersonation:
    reason = Reason(code=code, kind=_CLUSTER, name=display_name(cluster), field=field, value=value, wanted=wanted)
    return Impersonation(Decision(allowed=False, reason=reason, is_visible=True))
