"""May this person reach this resource, in this way, now? The answer is a Decision.

Order: the credential itself (pinned address, key policy, locks), cluster-wide MFA, the limits of an access request,
deny of all roles (an hour, labels alone, or any one value alone, deny), then allow: one and the same role must match
labels and every value; what that role demands of the session (MFA, a trusted device) is asked last, and the strictest
of all roles that match wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from teleport.model.identity import Identity
from teleport.model.resource import Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node
from teleport.policy import locks, schedules
from teleport.policy.asked import Asked, AskedValue
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.enforcement import unenforced
from teleport.policy.matching import KindIndex, bits
from teleport.policy.near_misses import near_misses
from teleport.policy.options import SessionMFA, meets, satisfies_mfa, strictest
from teleport.policy.role_set import SELECTORS, RoleSet

_R = TypeVar("_R", bound=Resource)
_PLACEHOLDERS = ("no-login-", "-teleport-")


class AccessState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision depends on besides roles and resource.

    `locks_age` is the time since the copy of the locks was known to be complete.
    """

    session_mfa: SessionMFA = SessionMFA(per_session=False, key_policy="none")
    device_trust: str = ""
    locking_mode: str = "best_effort"
    mfa_verified: bool = False
    key_policy: str = ""
    device_verified: bool = False
    is_bot: bool = False
    pinned_ip: str = ""
    source_ip: str = ""
    identity: Identity | None = None
    locks: Sequence[Lock] = ()
    locks_age: timedelta | None = None
    now: datetime | None = None

    @classmethod
    def of(
        cls,
        identity: Identity,
        preference: ClusterAuthPreference,
        *,
        source_ip: str,
        now: datetime,
        locks: Sequence[Lock] = (),
        locks_age: timedelta | None = None,
    ) -> AccessState:
        """Of a certificate and the cluster's settings. `source_ip` is the address that was observed, without port."""
        spec = preference.spec
        return cls(
            session_mfa=SessionMFA.of(spec.require_session_mfa),
            device_trust=spec.device_trust.mode if spec.device_trust else "",
            locking_mode=spec.locking_mode,
            mfa_verified=bool(identity.mfa_verified),
            key_policy=identity.private_key_policy,
            device_verified=bool(identity.device_id and identity.device_credential_id),
            is_bot=bool(identity.bot_name),
            pinned_ip=identity.pinned_ip,
            source_ip=source_ip,
            identity=identity,
            locks=locks,
            locks_age=locks_age,
            now=now,
        )

    @property
    def has_mfa(self) -> bool:
        return self.mfa_verified or satisfies_mfa(self.key_policy)


def can_access_node(role_set: RoleSet, node: Node, login: str, state: AccessState) -> Decision:
    """SSH to a node as a login."""
    return can_access(role_set, "node", node, state, {"logins": login})


def can_access(
    role_set: RoleSet, kind: str, resource: Resource, state: AccessState, values: Mapping[str, str] | None = None
) -> Decision:
    """Reach a resource of `kind` with `values` (`logins`, `db_users`, ...), all of which one role must allow.

    Raises BadParameter for a kind that is not reached by labels, or a field that is not a matcher.
    """
    asked = [AskedValue(name, value, role_set.field(name)) for name, value in (values or {}).items()]
    return decide(role_set, kind, resource, state, asked)


def decide(
    role_set: RoleSet, kind: str, resource: Resource, state: AccessState, asked: Sequence[Asked] = ()
) -> Decision:
    """As can_access, with anything else that one role must allow too."""
    if state.now is not None and role_set.is_scheduled:
        role_set = role_set.at(state.now)
        asked = [one.of(role_set) for one in asked]
    question = _Question(role_set, kind, resource, asked, state)
    for step in (question.refused_by_credential, question.refused_by_limits, question.denied):
        refusal = step()
        if refusal is not None:
            return refusal
    return question.granted()


def refused_as_person(
    role_set: RoleSet, kind: str, resource: Resource, state: AccessState, login: str = ""
) -> Decision | None:
    """What refuses a person whatever roles say of the resource: the credential, its limits, the hour, a lock."""
    if state.now is not None:
        role_set = role_set.at(state.now)
    asked = [AskedValue("logins", login, role_set.field("logins"))] if login else []
    question = _Question(role_set, kind, resource, asked, state)
    for step in (question.refused_by_credential, question.refused_by_limits, question.denied_by_hour):
        refusal = step()
        if refusal is not None:
            return refusal
    return None


def visible(role_set: RoleSet, resource: Resource) -> bool:
    """Whether the person may know of it, by labels alone. Kinds without a selector are for rules alone to decide.

    Where roles have schedules, ask about the set at the moment.
    """
    if resource.kind not in SELECTORS:
        return True
    index = role_set.kind(resource.kind)
    labels = resource.labels
    if role_set.allowed_resources and not _is_allowed_resource(role_set, resource.kind, resource):
        return False
    if index.deny.any(labels) or (role_set.is_scheduled and role_set.closed_mask):
        return False
    return index.allow.any(labels) or _is_open_cluster(resource.kind, labels, index)


def visible_of(role_set: RoleSet, resources: Iterable[_R]) -> Iterator[_R]:
    """Those that the person may know of, in order, lazily."""
    return (resource for resource in resources if visible(role_set, resource))


def logins_for(role_set: RoleSet, node: Node) -> list[str]:
    """The logins that roles allow on this node, in the order of the roles."""
    index, labels = role_set.kind("node"), node.labels
    if not visible(role_set, node):
        return []
    found = role_set.field("logins").values(index.allow.mask(labels))
    return [login for login in found if not login.startswith(_PLACEHOLDERS)]


def granting_roles(role_set: RoleSet, kind: str, resource: Resource, values: Mapping[str, str]) -> tuple[str, ...]:
    """The roles that allow all of it, whatever else stands against it."""
    mask = role_set.kind(kind).allow.mask(resource.labels)
    for name, value in values.items():
        mask &= role_set.field(name).allow_mask(value)
    return role_set.role_names(mask)


def _is_allowed_resource(role_set: RoleSet, kind: str, resource: Resource) -> bool:
    plain = {"kube_server": "kube_cluster", "db_server": "db", "app_server": "app"}.get(kind, kind)
    return any(
        one.kind == plain and one.name == resource.name and one.cluster == role_set.cluster
        for one in role_set.allowed_resources
    )


def _is_open_cluster(kind: str, labels: Mapping[str, str], index: KindIndex) -> bool:
    """A leaf cluster without labels is open while no role speaks of cluster labels."""
    return kind == "remote_cluster" and not labels and not index.allow.named


def display_name(resource: Resource) -> str:
    """What people call it: the host name of a server, else the name."""
    return (resource.hostname if isinstance(resource, Node) else "") or resource.name


class _Question:
    """One question, and the steps of its answer."""

    __slots__ = ("asked", "index", "kind", "labels", "resource", "role_set", "state")

    def __init__(
        self, role_set: RoleSet, kind: str, resource: Resource, asked: Sequence[Asked], state: AccessState
    ) -> None:
        self.role_set = role_set
        self.kind = kind
        self.resource = resource
        self.labels = resource.labels
        self.index = role_set.kind(kind)
        self.asked = asked
        self.state = state

    def refused_by_credential(self) -> Decision | None:
        state, options = self.state, self.role_set.options
        if state.pinned_ip and state.pinned_ip != state.source_ip:
            return self._refuse(Code.IP_DIFFERS, value=state.source_ip)
        if options.pin_source_ip and not state.pinned_ip:
            return self._refuse(Code.IP_NOT_PINNED)
        required = strictest((options.key_policy, state.session_mfa.key_policy))
        if required != "none" and not meets(state.key_policy, required):
            return self._refuse(Code.KEY_POLICY_NOT_MET, value=required)
        if locks.is_stale(options.locking_mode(state.locking_mode), state.locks_age):
            return self._refuse(Code.LOCKS_STALE)
        if state.locks and state.identity is not None and state.now is not None:
            login = next((one.value for one in self.asked if one.name == "logins"), "")
            lock = locks.blocking(state.locks, state.identity, self.resource, state.now, login=login)
            if lock is not None:
                # a lock on a server is no news for somebody who may not know of the server
                is_visible = not locks.is_of_resource(lock) or visible(self.role_set, self.resource)
                return Decision(allowed=False, reason=locks.reason(lock, self.kind), is_visible=is_visible)
        return None

    def refused_by_limits(self) -> Decision | None:
        state = self.state
        # before any deny: also somebody who is denied learns only this
        if state.session_mfa.per_session and not state.has_mfa:
            return self._refuse(Code.MFA_REQUIRED)
        if not state.device_verified and _wants_device(state.device_trust, state.is_bot):
            return self._refuse(Code.DEVICE_REQUIRED)
        role_set = self.role_set
        if role_set.allowed_resources and not _is_allowed_resource(role_set, self.kind, self.resource):
            return self._refuse(Code.NOT_IN_ALLOWED_RESOURCES)
        return None

    def denied_by_hour(self) -> Decision | None:
        if self.role_set.is_scheduled and self.role_set.closed_mask:
            return self._denied_by_hour(self.role_set.closed_mask)
        return None

    def denied(self) -> Decision | None:
        by_hour = self.denied_by_hour()
        if by_hour is not None:
            return by_hour
        by_labels = self.index.deny.mask(self.labels)
        if by_labels:
            return self._denied_by_labels(by_labels)
        for one in self.asked:
            if one.deny:
                return self._denied_by_value(one)
        return None

    def granted(self) -> Decision:
        role_set, state = self.role_set, self.state
        mask = self.index.allow.mask(self.labels)
        for one in self.asked:
            mask &= one.allow
        if not mask:
            if not self.asked and _is_open_cluster(self.kind, self.labels, self.index):
                return self._answer(True, Code.ALLOWED_UNLABELED_CLUSTER, is_visible=True)
            return self._nothing_allows()
        unmet = mask & role_set.mfa_mask
        if unmet and not state.has_mfa:
            return self._refuse(Code.MFA_REQUIRED, role=self._first(unmet))
        unmet = mask & (role_set.device_mask | (0 if state.is_bot else role_set.human_device_mask))
        if unmet and not state.device_verified:
            return self._refuse(Code.DEVICE_REQUIRED, role=self._first(unmet))
        missing = unenforced(role_set, self.kind)
        if missing:
            return self._refuse(Code.NOT_ENFORCED, wanted=tuple(missing))
        roles = role_set.role_names(mask)
        reason = Reason(code=Code.ALLOWED_BY_ROLE, kind=self.kind, name=display_name(self.resource), role=roles[0])
        return Decision(allowed=True, reason=reason, roles=roles, is_visible=True)

    # answers

    def _first(self, mask: int) -> str:
        return self.role_set.roles[next(bits(mask))].name

    def _answer(self, allowed: bool, code: Code, *, is_visible: bool, **parts: str) -> Decision:
        reason = Reason(code=code, kind=self.kind, name=display_name(self.resource), **parts)  # type: ignore[arg-type]
        return Decision(allowed=allowed, reason=reason, is_visible=is_visible)

    def _refuse(self, code: Code, *, role: str = "", value: str = "", wanted: tuple[str, ...] = ()) -> Decision:
        reason = Reason(
            code=code, kind=self.kind, name=display_name(self.resource), role=role, value=value, wanted=wanted
        )
        return Decision(allowed=False, reason=reason, is_visible=visible(self.role_set, self.resource))

    def _denied_by_labels(self, mask: int) -> Decision:
        if self.index.deny.broken & mask:
            return self._broken(self.index.deny.broken & mask)
        number = next(bits(mask))
        condition = self.index.deny.conditions[number]
        by_selector = condition.selector.matches(self.labels) or condition.expression is None
        detail = str(condition.selector) if by_selector else str(condition.expression and condition.expression.text)
        field = f"deny.{self.index.selector}_labels" + ("" if by_selector else "_expression")
        return self._answer(
            False,
            Code.DENIED_BY_LABELS,
            is_visible=False,
            role=self.role_set.roles[number].name,
            field=field,
            detail=detail,
        )

    def _denied_by_hour(self, mask: int) -> Decision:
        role = self.role_set.roles[next(bits(mask))]
        hours = schedules.describe(role.spec.deny.schedule)
        return self._answer(
            False, Code.DENIED_BY_SCHEDULE, is_visible=False, role=role.name, field="deny.schedule", detail=hours
        )

    def _denied_by_value(self, one: Asked) -> Decision:
        if one.broken & one.deny:
            return self._broken(one.broken & one.deny)
        return self._answer(
            False,
            Code.DENIED_BY_MATCHER,
            is_visible=visible(self.role_set, self.resource),
            role=self._first(one.deny),
            field=one.name,
            value=one.value,
        )

    def _broken(self, mask: int) -> Decision:
        role = self._first(mask)
        problem = next(one for one in self.role_set.problems() if one.role == role and one.is_deny)
        return self._answer(
            False,
            Code.DENIED_BY_BROKEN_ROLE,
            is_visible=False,
            role=role,
            field=problem.field,
            detail=problem.message,
        )

    def _nothing_allows(self) -> Decision:
        reason = Reason(code=Code.NOTHING_ALLOWS, kind=self.kind, name=display_name(self.resource))
        misses = near_misses(self.role_set, self.kind, display_name(self.resource), self.labels, self.asked)
        return Decision(
            allowed=False,
            reason=reason,
            notes=(*self._closed_now(), *misses),
            is_visible=visible(self.role_set, self.resource),
        )

    def _closed_now(self) -> Iterator[Reason]:
        """The roles that would allow it at another hour."""
        if not self.role_set.is_scheduled:
            return
        at_any_hour = self.role_set.without_hours
        mask = at_any_hour.kind(self.kind).allow.mask(self.labels) & ~self.role_set.span.allow
        for one in self.asked:
            mask &= one.of(at_any_hour).allow
        for number in bits(mask & ((1 << len(self.role_set.written)) - 1)):
            role = self.role_set.written[number]
            hours = schedules.describe(role.spec.allow.schedule)
            yield Reason(code=Code.NOT_IN_SCHEDULE, kind=self.kind, role=role.name, detail=hours)


def _wants_device(mode: str, is_bot: bool) -> bool:
    return mode == "required" or (mode == "required-for-humans" and not is_bot)
