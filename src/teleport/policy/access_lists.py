"""Access lists: who belongs to which, directly or through nested lists, and what that gives. Pure, at a moment.

A list gives its grants to members and its owner grants to owners who meet its requirements; unmet requirements give
nothing, silently. Requirements look at what a person has without any list. Members of a list that is a member (or
owner) of another belong to it too, where they meet the requirements of every list on the way.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.access_list import AccessList, AccessListMember, Requires
from teleport.policy.decision import Code, Decision, Reason

MAX_DEPTH: Final = 10
LIST: Final = "MEMBERSHIP_KIND_LIST"
KIND: Final = "access_list"
NOTICE: Final = timedelta(hours=336)
_MONTHS = {"1month": 1, "3months": 3, "6months": 6, "1year": 12, "": 6}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with the roles and traits that they have of their own, not by lists."""

    name: str
    roles: tuple[str, ...] = ()
    traits: Mapping[str, Sequence[str]] = {}


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What all lists together give, and which did."""

    roles: tuple[str, ...] = ()
    traits: dict[str, tuple[str, ...]] = {}
    member_of: tuple[str, ...] = ()
    owner_of: tuple[str, ...] = ()


class AccessLists:
    """All lists of a cluster and who is in them. What refers to a list that is not there counts for nothing."""

    def __init__(self, lists: Iterable[AccessList], members: Iterable[AccessListMember]) -> None:
        self._lists = {one.name: one for one in sorted(lists, key=lambda one: one.name)}
        self._members: dict[str, list[AccessListMember]] = {name: [] for name in self._lists}
        self._outer: dict[str, list[AccessListMember]] = {}
        for member in members:
            if member.spec.access_list in self._members:
                self._members[member.spec.access_list].append(member)
                if member.spec.membership_kind == LIST:
                    self._outer.setdefault(member.spec.name, []).append(member)

    def membership(self, person: Person, name: str, now: datetime) -> Decision:
        """Whether the person is a member whom the list gives something; `detail` is the way through other lists."""
        belongs = self._belonging(person, now)
        if name in belongs:
            return _accepted(Code.LIST_MEMBER, name, detail=" > ".join(belongs[name]))
        return self._not_member(person, name, now, belongs)

    def ownership(self, person: Person, name: str, now: datetime) -> Decision:
        """Whether the person is an owner who meets the requirements of owners."""
        return self._ownership(person, name, now, self._belonging(person, now))

    def grants(self, person: Person, now: datetime) -> Granted:
        """What the person has by all lists, for the next certificate."""
        roles: dict[str, None] = {}
        traits: dict[str, dict[str, None]] = {}
        belongs = self._belonging(person, now)
        member_of = [name for name in self._lists if name in belongs]
        owner_of = [name for name in self._lists if self._ownership(person, name, now, belongs).allowed]
        given = [self._lists[name].spec.grants for name in member_of]
        given += [self._lists[name].spec.owner_grants for name in owner_of]
        for grants in given:
            if grants is None:
                continue
            roles.update(dict.fromkeys(grants.roles))
            for trait, values in grants.traits.items():
                traits.setdefault(trait, {}).update(dict.fromkeys(values))
        kept = {trait: tuple(values) for trait, values in traits.items()}
        return Granted(roles=tuple(roles), traits=kept, member_of=tuple(member_of), owner_of=tuple(owner_of))

    def next_end(self, now: datetime) -> datetime | None:
        """The next moment at which a membership or list ends, whoever has something by it."""
        ends = [found.expires for found in self._lists.values()]
        ends += [
            end for members in self._members.values() for one in members for end in (one.spec.expires, one.expires)
        ]
        return min((end for end in ends if end is not None and end > now), default=None)

    def check_nesting(self) -> None:
        """Raises BadParameter for lists that contain each other, or that are nested deeper than MAX_DEPTH."""
        depths: dict[str, int] = {}
        for name in sorted(self._lists):
            self._depth(name, (), depths)

    def referring(self, name: str) -> tuple[str, ...]:
        """The lists that have this one as member or owner: while there are any it may not be deleted."""
        return tuple(one for one in sorted(self._lists) if name in self._inside(one))

    # inside

    def _belonging(self, person: Person, now: datetime) -> dict[str, tuple[str, ...]]:
        """The lists that give the person something as a member, with the lists on the way to each, outermost first.

        Upwards from the lists that name the person, each list once: cycles and depth cost nothing.
        """
        found: dict[str, tuple[str, ...]] = {}
        reached: list[tuple[str, tuple[str, ...]]] = [
            (name, ()) for name in self._lists if any(_is_person(one, person, now) for one in self._members[name])
        ]
        for _ in range(MAX_DEPTH + 1):
            outer: list[tuple[str, tuple[str, ...]]] = []
            for name, way in reached:
                if name in found or not self._gives(name, person, now):
                    continue
                found[name] = way
                entries = [entry for entry in self._outer.get(name, ()) if not _is_over(_end(entry), now)]
                outer += [(entry.spec.access_list, (name, *way)) for entry in entries]
            reached = outer
        return found

    def _gives(self, name: str, person: Person, now: datetime) -> bool:
        found = self._lists[name]
        return not _is_over(found.expires, now) and _unmet(found.spec.membership_requires, person, name, "") is None

    def _not_member(
        self, person: Person, name: str, now: datetime, belongs: Mapping[str, tuple[str, ...]]
    ) -> Decision:
        """The first thing that stands against it: in the list itself, then in those inside of it."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop(0)
            if one in seen or one not in self._lists:
                continue
            seen.add(one)
            refusal = self._refusal(person, one, now, belongs)
            if refusal is not None:
                return refusal
            waiting += [entry.spec.name for entry in self._members[one] if entry.spec.membership_kind == LIST]
        return _refused(Code.NOT_IN_LIST, name)

    def _refusal(
        self, person: Person, name: str, now: datetime, belongs: Mapping[str, tuple[str, ...]]
    ) -> Decision | None:
        ended: datetime | None = None
        for entry in self._members[name]:
            is_list = entry.spec.membership_kind == LIST
            if entry.spec.name not in belongs if is_list else entry.spec.name != person.name:
                continue
            end = _end(entry)
            if not _is_over(end, now):
                found = self._lists[name]
                return _unmet(found.spec.membership_requires, person, name, "membership_requires")
            ended = end
        return _refused(Code.MEMBERSHIP_EXPIRED, name, value=ended.isoformat()) if ended else None

    def _ownership(
        self, person: Person, name: str, now: datetime, belongs: Mapping[str, tuple[str, ...]]
    ) -> Decision:
        found = self._lists.get(name)
        if found is None or _is_over(found.expires, now):
            return _refused(Code.NOT_IN_LIST, name)
        for owner in found.spec.owners:
            is_list = owner.membership_kind == LIST
            if owner.name in belongs if is_list else owner.name == person.name:
                way = (owner.name, *belongs[owner.name]) if is_list else ()
                unmet = _unmet(found.spec.ownership_requires, person, name, "ownership_requires")
                return _accepted(Code.LIST_OWNER, name, detail=" > ".join(way)) if unmet is None else unmet
        return _refused(Code.NOT_IN_LIST, name)

    def _inside(self, name: str) -> Iterator[str]:
        found = self._lists[name]
        yield from (member.spec.name for member in self._members[name] if member.spec.membership_kind == LIST)
        yield from (owner.name for owner in found.spec.owners if owner.membership_kind == LIST)

    def _depth(self, name: str, way: tuple[str, ...], depths: dict[str, int]) -> int:
        if name in way:
            raise BadParameter(f"access lists contain each other: {' > '.join([*way[way.index(name) :], name])}")
        if name not in self._lists:
            return 0
        if len(way) > MAX_DEPTH:
            raise BadParameter(_too_deep(way))
        if name not in depths:
            inner = [self._depth(one, (*way, name), depths) for one in sorted(set(self._inside(name)))]
            depths[name] = 1 + max(inner, default=-1)
        if len(way) + depths[name] > MAX_DEPTH:
            raise BadParameter(_too_deep((*way, name)))
        return depths[name]


def _too_deep(way: Sequence[str]) -> str:
    return f"access list {way[0]!r} is nested deeper than {MAX_DEPTH} levels"


def _end(entry: AccessListMember) -> datetime | None:
    return min((one for one in (entry.spec.expires, entry.expires) if one is not None), default=None)


def _is_person(entry: AccessListMember, person: Person, now: datetime) -> bool:
    spec = entry.spec
    return spec.membership_kind != LIST and spec.name == person.name and not _is_over(_end(entry), now)


def _is_over(end: datetime | None, now: datetime) -> bool:
    return end is not None and end <= now


def _unmet(requires: Requires | None, person: Person, name: str, field: str) -> Decision | None:
    """Every role, and for every trait every value, must be there."""
    if requires is None:
        return None
    roles = tuple(role for role in requires.roles if role not in person.roles)
    if roles:
        return _refused(Code.REQUIREMENT_UNMET, name, field=f"{field}.roles", wanted=roles)
    for trait, values in requires.traits.items():
        missing = tuple(value for value in values if value not in person.traits.get(trait, ()))
        if missing or trait not in person.traits:
            return _refused(Code.REQUIREMENT_UNMET, name, field=f"{field}.traits.{trait}", wanted=missing)
    return None


def _accepted(code: Code, name: str, *, detail: str = "") -> Decision:
    return Decision(allowed=True, reason=Reason(code=code, kind=KIND, name=name, detail=detail))


def _refused(code: Code, name: str, *, field: str = "", value: str = "", wanted: tuple[str, ...] = ()) -> Decision:
    reason = Reason(code=code, kind=KIND, name=name, field=field, value=value, wanted=wanted)
    return Decision(allowed=False, reason=reason)


def next_audit(found: AccessList, after: datetime) -> datetime:
    """When the members must be reviewed after a review at `after`: months on, on the day that the list names."""
    recurrence = found.spec.audit.recurrence if found.spec.audit else None
    months = _MONTHS[recurrence.frequency if recurrence else ""]
    day = recurrence.day_of_month if recurrence else ""
    start = after.astimezone(UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return datetime(year, month + 1, last if day == "last" else int(day or 1), tzinfo=UTC)


def is_review_due(found: AccessList, now: datetime) -> bool:
    """Whether owners are to be told: the next review is near, or late."""
    audit = found.spec.audit
    if audit is None or audit.next_audit_date is None:
        return False
    start = audit.notifications.start.delta if audit.notifications and audit.notifications.start else NOTICE
    return now >= audit.next_audit_date - start
