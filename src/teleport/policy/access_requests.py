"""Access requests: what may be asked for, under which thresholds and for how long. Reviews: policy.reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.identity import Identity
from teleport.model.resources.access_request import AccessRequest, ThresholdIndexes
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import AccessReviewThreshold
from teleport.model.values import Duration
from teleport.policy import templates
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.role_matchers import Test, role_tests
from teleport.policy.role_set import RoleSet
from teleport.policy.templates import Traits

MAX_DURATION = timedelta(days=14)
PENDING_TTL = timedelta(hours=1)
DEFAULT_THRESHOLD = AccessReviewThreshold(name="default", approve=1, deny=1)


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one role that speaks of requests, ready to match role names."""

    role: str
    tests: tuple[Test, ...]

    def matches(self, name: str) -> bool:
        return any(test(name) for test in self.tests)


class Requestable(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may request, compiled once a role set."""

    allow: tuple[Directive, ...]
    deny: tuple[Directive, ...]
    broken_deny: tuple[str, ...]
    search_as_roles: tuple[str, ...]
    suggested_reviewers: tuple[str, ...]

    def may_request(self, name: str) -> Decision:
        """One role, by name; deny of any role wins."""
        for directive in self.deny:
            if directive.matches(name):
                return _decision(Code.REQUEST_DENIED, value=name, role=directive.role)
        if self.broken_deny:
            return _decision(Code.REQUEST_DENIED, value=name, role=self.broken_deny[0])
        for directive in self.allow:
            if directive.matches(name):
                reason = Reason(code=Code.REQUEST_ALLOWED, role=directive.role, wanted=(name,))
                return Decision(allowed=True, reason=reason, roles=(directive.role,))
        return _decision(Code.REQUEST_NOT_ALLOWED, value=name)


def requestable(role_set: RoleSet) -> Requestable:
    return role_set.kept("requestable", lambda: _requestable(role_set))


def _requestable(role_set: RoleSet) -> Requestable:
    allow, deny, broken = list[Directive](), list[Directive](), list[str]()
    searched, suggested, never_searched = list[str](), list[str](), set[str]()
    for role in role_set.given:
        allowed, denied = role.spec.allow.request, role.spec.deny.request
        if allowed is not None:
            tests, _ = role_tests(allowed.roles, allowed.claims_to_roles, role_set.traits)
            allow.append(Directive(role=role.name, tests=tests))
            searched += allowed.search_as_roles
            suggested += allowed.suggested_reviewers
        if denied is not None:
            tests, is_whole = role_tests(denied.roles, denied.claims_to_roles, role_set.traits)
            deny.append(Directive(role=role.name, tests=tests))
            never_searched |= set(denied.search_as_roles)
            broken += [] if is_whole else [role.name]
    refused = [*deny]
    kept = [
        name
        for name in dict.fromkeys(searched)
        if name not in never_searched and not broken and not any(one.matches(name) for one in refused)
    ]
    return Requestable(
        allow=tuple(allow),
        deny=tuple(deny),
        broken_deny=tuple(broken),
        search_as_roles=tuple(kept),
        suggested_reviewers=tuple(dict.fromkeys(suggested)),
    )


def may_request(role_set: RoleSet, roles: Sequence[str], reason: str) -> Decision:
    """All of the roles must be requestable, and a reason given where a role that grants the request wants one."""
    able = requestable(role_set)
    granting: set[str] = set()
    for name in roles:
        decision = able.may_request(name)
        if not decision.allowed:
            return decision
        granting.update(one.role for one in able.allow if one.matches(name))
    for role in role_set.given:
        asked = role.spec.allow.request
        wants = asked is not None and asked.reason is not None and asked.reason.mode == "required"
        if wants and role.name in granting and not reason.strip():
            return _decision(Code.REASON_MISSING, role=role.name)
    found = Reason(code=Code.REQUEST_ALLOWED, wanted=tuple(roles))
    return Decision(allowed=True, reason=found, roles=tuple(sorted(granting)))


def thresholds_for(
    role_set: RoleSet, roles: Sequence[str]
) -> tuple[list[AccessReviewThreshold], dict[str, ThresholdIndexes]]:
    """The thresholds that hold for a request, and which of them each requested role needs."""
    able = requestable(role_set)
    by_name = {role.name: role for role in role_set.given}
    listed: list[AccessReviewThreshold] = []
    mapping: dict[str, ThresholdIndexes] = {}
    for name in roles:
        sets: list[list[int]] = []
        for directive in able.allow:
            if directive.matches(name):
                asked = by_name[directive.role].spec.allow.request
                own = list(asked.thresholds) if asked is not None else []
                sets.append([_position(listed, one) for one in own or [DEFAULT_THRESHOLD]])
        mapping[name] = ThresholdIndexes(sets=[one for n, one in enumerate(sets) if one not in sets[:n]])
    return listed, mapping


def _position(listed: list[AccessReviewThreshold], threshold: AccessReviewThreshold) -> int:
    if threshold not in listed:
        listed.append(threshold)
    return listed.index(threshold)


def annotations_for(role_set: RoleSet, roles: Sequence[str]) -> dict[str, list[str]]:
    """Of roles that grant the request, expanded, less what is denied."""
    able = requestable(role_set)
    granting = {one.role for one in able.allow if any(one.matches(name) for name in roles)}
    found: dict[str, dict[str, None]] = {}
    denied: dict[str, set[str]] = {}
    for role in role_set.given:
        allowed, refused = role.spec.allow.request, role.spec.deny.request
        if allowed is not None and role.name in granting:
            for key, values in allowed.annotations.items():
                found.setdefault(key, {}).update(dict.fromkeys(_expanded(values, role_set.traits)))
        if refused is not None:
            for key, values in refused.annotations.items():
                denied.setdefault(key, set()).update(_expanded(values, role_set.traits))
    kept = {key: [value for value in values if value not in denied.get(key, ())] for key, values in found.items()}
    return {key: values for key, values in kept.items() if values}


def _expanded(values: Sequence[str], traits: Traits) -> list[str]:
    try:
        return templates.expand(values, traits)
    except BadParameter:
        return []


class Durations(msgspec.Struct, frozen=True):
    """`pending_until` the request waits for reviews; `access_until` ends what it grants."""

    pending_until: datetime
    access_until: datetime


def durations(
    role_set: RoleSet,
    requested: Iterable[Role],
    identity: Identity,
    now: datetime,
    *,
    max_duration: timedelta | None = None,
    session_ttl: timedelta | None = None,
    request_ttl: timedelta | None = None,
) -> Durations:
    """`requested` are the roles asked for. Raises BadParameter for a request that would wait longer than it may."""
    granted = list(requested)
    left = identity.expires - now
    if left <= timedelta():
        raise BadParameter("the login that would ask for access has ended; log in again")
    waits = min([left, *(role.spec.options.session_ttl.delta for role in granted)])
    session = min(waits, session_ttl) if session_ttl else waits
    longest = _longest(role_set, [role.name for role in granted], max_duration)
    wanted = min(longest, session) if longest else session
    if request_ttl is not None and request_ttl > waits:
        raise BadParameter(
            f"the request would wait {Duration.of(request_ttl)}, it may wait at most {Duration.of(waits)}"
        )
    return Durations(now + min(request_ttl or PENDING_TTL, waits), now + wanted)


def _longest(role_set: RoleSet, names: Sequence[str], asked: timedelta | None) -> timedelta:
    """The smallest of what was asked and what roles set for these, at most 14 days; zero when nobody sets any."""
    able = requestable(role_set)
    granting = {one.role for one in able.allow if any(one.matches(name) for name in names)}
    limits = [
        role.spec.allow.request.max_duration.delta
        for role in role_set.given
        if role.name in granting and role.spec.allow.request is not None and role.spec.allow.request.max_duration
    ]
    if asked:
        limits.append(asked)
    return min([*limits, MAX_DURATION]) if limits else timedelta()


def is_in_force(request: AccessRequest, user: str, now: datetime) -> bool:
    """Whether this person may assume it now: approved, theirs, begun and not over."""
    spec = request.spec
    if spec.state != "APPROVED" or spec.user != user:
        return False
    begun = spec.assume_start_time is None or spec.assume_start_time <= now
    return begun and (spec.expires is None or spec.expires > now)


def _decision(code: Code, *, name: str = "", value: str = "", role: str = "") -> Decision:
    reason = Reason(code=code, kind="access_request", name=name, value=value, role=role)
    return Decision(allowed=False, reason=reason)
