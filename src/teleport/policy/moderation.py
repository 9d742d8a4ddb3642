"""Moderated sessions: who must be present before and while a session runs, and who may join whose session.

Policies of one role are alternatives; every role that has any must have one fulfilled. The owner never counts, and a
person counts once however often they joined. A filter that is empty or cannot be read counts nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import SessionRequirePolicy
from teleport.policy import patterns
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.expressions import Expression
from teleport.policy.languages import SESSION_FILTER
from teleport.policy.role_set import RoleSet
from teleport.policy.templates import Traits

Mode: TypeAlias = Literal["observer", "moderator", "peer"]
OnLeave: TypeAlias = Literal["terminate", "pause"]

MODES: tuple[Mode, ...] = ("observer", "moderator", "peer")
_MODERATED_KINDS = frozenset({"ssh", "k8s"})


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a session, as they joined."""

    user: str
    roles: tuple[str, ...] = ()
    traits: dict[str, tuple[str, ...]] = {}
    mode: Mode = "observer"


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """What one role of the owner requires for a kind of session: one of the policies."""

    role: str
    policies: tuple[SessionRequirePolicy, ...]


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """`unmet` has a reason for each role that is not content; `on_leave`: what happens to a session that was
    running.
    """

    unmet: tuple[Reason, ...] = ()
    on_leave: OnLeave = "terminate"

    @property
    def is_fulfilled(self) -> bool:
        return not self.unmet


def requirements(roles: Iterable[Role], kind: str) -> tuple[Requirement, ...]:
    """Of the owner's roles, by name, for `ssh` or `k8s`; other kinds are not moderated."""
    if kind not in _MODERATED_KINDS:
        return ()
    found: list[Requirement] = []
    for role in sorted(roles, key=lambda one: one.name):
        if not role.moderates_sessions:
            continue
        asked = [policy for policy in role.spec.allow.require_session_join if _speaks_of(policy.kinds, kind)]
        if asked:
            found.append(Requirement(role=role.name, policies=tuple(asked)))
    return tuple(found)


def describe(required: Sequence[Requirement]) -> str:
    """Who must be present, for the owner of the session."""
    if not required:
        return "nobody has to be present in this session"
    roles = [f'by role "{one.role}": {" or ".join(map(_told, one.policies))}' for one in required]
    return "in this session there must be present, " + "; ".join(roles)


def _told(policy: SessionRequirePolicy) -> str:
    modes = " or ".join(policy.modes) or "nobody"
    leaves = "pauses" if policy.on_leave == "pause" else "ends"
    who = f"{max(policy.count, 1)} as {modes} for whom {policy.filter or 'nothing'} holds"
    return f"{who} (the session {leaves} when they leave)"


def assess(required: Sequence[Requirement], owner: str, parties: Iterable[Party]) -> Assessment:
    """Whether the session may run with these people in it. Order of roles and people never matters."""
    present = [party for party in parties if party.user != owner]
    unmet = [one for one in required if not any(_is_met(policy, present) for policy in one.policies)]
    pauses = all(policy.on_leave == "pause" for one in unmet for policy in one.policies)
    return Assessment(
        unmet=tuple(_missing(one, present) for one in unmet),
        on_leave="pause" if unmet and pauses else "terminate",
    )


def may_join(joiner: RoleSet, owner: str, owner_roles: Sequence[str], kind: str, mode: Mode) -> Decision:
    """Owners join their own sessions as peers; others need a `join_sessions` policy for the owner's roles."""
    allowed = join_modes(joiner, owner, owner_roles, kind)
    if mode in allowed:
        role = allowed[mode]
        return Decision(
            allowed=True, reason=Reason(code=Code.JOIN_ALLOWED, kind=kind, value=mode, role=role), roles=(role,)
        )
    wanted = tuple(one for one in MODES if one in allowed)
    return Decision(allowed=False, reason=Reason(code=Code.JOIN_NOT_ALLOWED, kind=kind, value=mode, wanted=wanted))


def join_modes(joiner: RoleSet, owner: str, owner_roles: Sequence[str], kind: str) -> dict[Mode, str]:
    """The modes in which a session may be joined, each with a role that allows it (empty: one's own session)."""
    found: dict[Mode, str] = {"peer": ""} if joiner.username == owner else {}
    for role in joiner.given:
        if not role.moderates_sessions:
            continue
        for policy in role.spec.allow.join_sessions:
            if _speaks_of(policy.kinds, kind) and _covers(policy.roles, owner_roles):
                for mode in MODES:
                    if mode in policy.modes or patterns.WILDCARD in policy.modes:
                        found.setdefault(mode, role.name)
    return found


def _speaks_of(kinds: Sequence[str], kind: str) -> bool:
    """A policy without kinds is for all of them."""
    return not kinds or kind in kinds or patterns.WILDCARD in kinds


def _covers(wanted: Sequence[str], roles: Sequence[str]) -> bool:
    for pattern in wanted:
        try:
            test = patterns.matcher(pattern)
        except BadParameter:
            continue
        if any(test(role) for role in roles):
            return True
    return False


def _is_met(policy: SessionRequirePolicy, present: Sequence[Party]) -> bool:
    return _count(policy, present) >= max(policy.count, 1)


def _count(policy: SessionRequirePolicy, present: Sequence[Party]) -> int:
    any_mode = patterns.WILDCARD in policy.modes
    return len({one.user for one in present if (any_mode or one.mode in policy.modes) and _fits(policy.filter, one)})


def _fits(text: str, party: Party) -> bool:
    try:
        return Expression(text, SESSION_FILTER).holds({"user": _user(party.user, party.roles, party.traits)})
    except BadParameter:
        return False


def _user(name: str, roles: tuple[str, ...], traits: Traits) -> dict[str, object]:
    spec = {"roles": roles, "traits": traits}
    return {"name": name, "roles": roles, "metadata": {"name": name}, "spec": spec}


def _missing(requirement: Requirement, present: Sequence[Party]) -> Reason:
    wanted = tuple(
        f"{max(policy.count, 1) - _count(policy, present)} more as {'/'.join(policy.modes)} where {policy.filter}"
        for policy in requirement.policies
    )
    return Reason(code=Code.MODERATOR_MISSING, role=requirement.role, field="require_session_join", wanted=wanted)
