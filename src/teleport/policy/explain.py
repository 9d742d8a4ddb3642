"""The whole story of a decision, for administrators: what every role said to it, condition by condition.

The decision itself is the one that policy.access and policy.actions make; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.model.resources.role import Role
from teleport.policy import schedules
from teleport.policy.access import AccessState, decide, display_name, visible
from teleport.policy.actions import NOTHING, ActionContext, may, rules_about
from teleport.policy.asked import Asked, AskedValue
from teleport.policy.decision import Decision
from teleport.policy.matching import FIELDS, LabelCondition
from teleport.policy.role_set import RoleSet


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One condition of a role. `wanted` is what it accepts (traits filled in), `found` what there was.

    `written` is the text in the role where traits made another of it; `problem` why it cannot be read.
    """

    field: str
    is_met: bool
    wanted: tuple[str, ...] = ()
    found: str = ""
    written: tuple[str, ...] = ()
    problem: str = ""


class RoleStory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one role said. `allows`: all of `allow` is met; `denies`: any of `deny` is; `demands`: what it asks of the
    session besides. A role with neither list says nothing of such things.
    """

    role: str
    version: str = ""
    allows: bool = False
    denies: bool = False
    allow: tuple[Check, ...] = ()
    deny: tuple[Check, ...] = ()
    demands: tuple[Check, ...] = ()

    @property
    def missing(self) -> tuple[Check, ...]:
        """What would have been needed for it to allow."""
        return tuple(check for check in (*self.allow, *self.demands) if not check.is_met)


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question, its answer, and the part of each role in it."""

    user: str
    kind: str
    decision: Decision
    name: str = ""
    verb: str = ""
    asked: dict[str, str] = {}
    labels: dict[str, str] = {}
    is_visible: bool = False
    roles: tuple[RoleStory, ...] = ()


def explain_access(
    role_set: RoleSet,
    kind: str,
    resource: Resource,
    state: AccessState,
    values: Mapping[str, str] | None = None,
    more: Sequence[Asked] = (),
) -> Explanation:
    """As access.can_access (`more`: as access.decide). Raises BadParameter for what cannot be asked."""
    now = role_set.at(state.now) if state.now is not None else role_set
    asked: list[Asked] = [AskedValue(name, value, now.field(name)) for name, value in (values or {}).items()]
    asked += [one.of(now) for one in more]
    return Explanation(
        user=role_set.username,
        kind=kind,
        name=display_name(resource),
        asked={one.name: one.value for one in asked},
        labels=dict(resource.labels),
        is_visible=visible(now, resource),
        decision=decide(role_set, kind, resource, state, asked),
        roles=tuple(_Teller(now, kind, resource, asked, state).stories()),
    )


def explain_action(
    role_set: RoleSet, verb: str, kind: str, context: ActionContext = NOTHING, name: str = ""
) -> Explanation:
    """As actions.may, for the set at the moment: the rules about verb and kind, and whether their conditions hold."""
    stories: dict[str, tuple[list[Check], list[Check]]] = {}
    scope = context.scope()
    for rule in rules_about(role_set, verb, kind):
        check = Check(
            field=rule.field,
            is_met=rule.holds(scope),
            wanted=(rule.where.text,) if rule.where else (),
            problem=rule.broken,
        )
        stories.setdefault(rule.role, ([], []))[1 if rule.is_deny else 0].append(check)
    roles = tuple(
        RoleStory(
            role=role.name,
            version=role.version,
            allows=any(check.is_met for check in stories.get(role.name, ([], []))[0]),
            denies=any(check.is_met for check in stories.get(role.name, ([], []))[1]),
            allow=tuple(stories.get(role.name, ([], []))[0]),
            deny=tuple(stories.get(role.name, ([], []))[1]),
        )
        for role in role_set.roles
    )
    return Explanation(
        user=role_set.username,
        kind=kind,
        name=name,
        verb=verb,
        decision=may(role_set, verb, kind, context),
        roles=roles,
    )


class _Teller:
    """Tells what each role of a set at a moment says to one question."""

    def __init__(
        self, role_set: RoleSet, kind: str, resource: Resource, asked: Sequence[Asked], state: AccessState
    ) -> None:
        self._set = role_set
        self._index = role_set.kind(kind)
        # what a role would allow is told at any hour; the hour is a condition like others
        whenever = role_set.without_hours if role_set.is_scheduled else role_set
        self._roles = whenever.roles
        self._allowing = whenever.kind(kind).allow.conditions
        self._allowed = [one.of(whenever) for one in asked]
        self._labels = resource.labels
        self._asked = asked
        self._state = state

    def stories(self) -> Iterator[RoleStory]:
        # `written` has what the set at the moment leaves out; the implicit role is the last of `roles`
        for number, role in enumerate(self._set.roles):
            written = self._set.written[number] if number < len(self._set.written) else role
            yield self._story(number, role, written)

    def _story(self, number: int, role: Role, written: Role) -> RoleStory:
        allow = [*self._hours(written, number), *self._allow(number, self._roles[number])]
        deny = tuple(self._deny(number, role))
        speaks = any(check.field != "allow.schedule" for check in allow)
        return RoleStory(
            role=role.name,
            version=written.version,
            allows=speaks and all(check.is_met for check in allow),
            denies=any(check.is_met for check in deny),
            allow=tuple(allow),
            deny=deny,
            demands=tuple(self._demands(number, role)) if speaks else (),
        )

    def _hours(self, written: Role, number: int) -> Iterator[Check]:
        schedule = written.spec.allow.schedule
        if schedule:
            is_open = bool(self._set.span.allow >> number & 1)
            yield Check(field="allow.schedule", is_met=is_open, wanted=(schedules.describe(schedule),))

    def _allow(self, number: int, role: Role) -> Iterator[Check]:
        condition = self._allowing[number]
        if condition.is_empty:
            return
        yield from self._namespaces(role)
        yield from self._label_checks(condition, f"{self._index.selector}_labels", role.name, role)
        for one in self._allowed:
            name = one.name
            written = tuple(getattr(role.spec.allow, name)) if name in FIELDS else ()
            wanted = one.wanted(number)
            is_met = bool(one.allow >> number & 1)
            shown = written if written != wanted else ()
            yield Check(field=name, is_met=is_met, wanted=wanted, found=one.value, written=shown)

    def _namespaces(self, role: Role) -> Iterator[Check]:
        wanted = tuple(role.spec.allow.namespaces)
        if wanted and "default" not in wanted and "*" not in wanted:
            yield Check(field="namespaces", is_met=False, wanted=wanted, found="default")

    def _label_checks(self, condition: LabelCondition, field: str, name: str, role: Role) -> Iterator[Check]:
        if condition.is_broken:
            message = next(
                (
                    one.message
                    for one in self._set.problems()
                    if one.role == name and one.field.startswith(f"allow.{field}")
                ),
                "",
            )
            yield Check(field=field, is_met=False, problem=message or "cannot be read")
            return
        selector = condition.selector
        if selector.matches_all:
            yield Check(field=field, is_met=True, wanted=(str(selector),))
        for key, values in selector.keys:
            found = self._labels.get(key)
            is_met = found is not None and values.matches(found)
            wanted = tuple(f"{key}: {pattern}" for pattern in values.patterns)
            shown = f"{key}: {found}" if found is not None else ""
            yield Check(field=field, is_met=is_met, wanted=wanted, found=shown, written=_written(role, field, key))
        if condition.expression is not None:
            yield self._expression(condition, f"{field}_expression")

    def _expression(self, condition: LabelCondition, field: str) -> Check:
        assert condition.expression is not None
        text = (condition.expression.text,)
        try:
            return Check(field=field, is_met=condition.expression.holds({"labels": self._labels}), wanted=text)
        except BadParameter as problem:
            return Check(field=field, is_met=False, wanted=text, problem=problem.message)

    def _deny(self, number: int, role: Role) -> Iterator[Check]:
        condition = self._index.deny.conditions[number]
        field = f"deny.{self._index.selector}_labels"
        if self._set.is_scheduled and self._set.closed_mask >> number & 1:
            hours = schedules.describe(role.spec.deny.schedule)
            yield Check(field="deny.schedule", is_met=True, wanted=(hours,))
        if condition.is_broken:
            yield Check(field=field, is_met=True, problem="cannot be read, so it denies everything")
        elif not condition.selector.is_empty:
            is_met = condition.selector.matches(self._labels)
            yield Check(field=field, is_met=is_met, wanted=(str(condition.selector),))
        if condition.expression is not None:
            check = self._expression(condition, f"{field}_expression")
            # a deny that fails denies
            yield msgspec.structs.replace(check, is_met=check.is_met or bool(check.problem))
        for one in self._asked:
            denied = tuple(getattr(role.spec.deny, one.name)) if one.name in FIELDS else ()
            is_met = bool(one.deny >> number & 1)
            if denied or is_met:
                yield Check(field=f"deny.{one.name}", is_met=is_met, wanted=denied, found=one.value)

    def _demands(self, number: int, role: Role) -> Iterator[Check]:
        """What a role asks of the session, in the order of the decision."""
        state = self._state
        if self._set.mfa_mask >> number & 1:
            wanted = str(role.spec.options.require_session_mfa).lower()
            yield Check(field="options.require_session_mfa", is_met=state.has_mfa, wanted=(wanted,))
        mode = role.spec.options.device_trust_mode
        wants_device = mode == "required" or (mode == "required-for-humans" and not state.is_bot)
        if wants_device:
            yield Check(field="options.device_trust_mode", is_met=state.device_verified, wanted=(mode,))


def _written(role: Role, field: str, key: str) -> tuple[str, ...]:
    """The templates behind the values of a label."""
    selector: Mapping[str, Sequence[str]] = getattr(role.spec.allow, field)
    return tuple(f"{key}: {value}" for value in selector.get(key, ()) if "{{" in value)
