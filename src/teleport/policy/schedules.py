"""When the sections of roles are in force, and when that changes next. Pure: the moment is a parameter.

A section without a schedule is always in force. Where the moment is not known, or a window cannot be read, an allow
is not in force and a deny is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.schedule import AccessWindow

_DAY = timedelta(days=1)
_AHEAD = 8  # days: a week and what passes midnight
_QUARTER = timedelta(minutes=15)


def is_open(schedule: Sequence[AccessWindow], now: datetime) -> bool:
    """Whether any window is open; an empty schedule always is. Raises BadParameter."""
    return not schedule or any(_is_open(window, now) for window in schedule)


def _is_open(window: AccessWindow, now: datetime) -> bool:
    local = now.astimezone(window.zone())
    today = local.date()
    minute = local.hour * 60 + local.minute
    for begin, end in window.minutes():
        if begin <= minute < end and _has_day(window, today):
            return True
        if minute + 1440 < end and _has_day(window, today - _DAY):
            return True
    return False


def _has_day(window: AccessWindow, day: date) -> bool:
    ranges = window.date_ranges()
    return day.weekday() in window.weekdays() and (not ranges or any(first <= day <= last for first, last in ranges))


def next_change(schedule: Sequence[AccessWindow], now: datetime) -> datetime | None:
    """The first moment after now at which the schedule opens or closes; None when it never does again.

    Raises BadParameter.
    """
    present = is_open(schedule, now)
    for moment in sorted({moment for window in schedule for moment in _edges(window, now) if moment > now}):
        if is_open(schedule, moment) is not present:
            return moment
    return None


def _edges(window: AccessWindow, now: datetime) -> Iterator[datetime]:
    """The moments at which it may open or close: for a week ahead, and for a week from the begin of each range."""
    zone = window.zone()
    for day in _days(window, now.astimezone(zone).date()):
        midnight = _moment(day, 0, zone)
        for begin, end in window.minutes():
            for minute in (begin, end):
                yield from (_moment(day, minute, zone, fold) for fold in (0, 1))
        if _moment(day + _DAY, 0, zone) - midnight != _DAY:  # the clock is put forward or back on this day
            yield from (midnight + _QUARTER * number for number in range(26 * 4))


def _days(window: AccessWindow, today: date) -> set[date]:
    found = {today + _DAY * number for number in range(-1, _AHEAD + 1)}
    for first, last in window.date_ranges():
        found |= {first + _DAY * number for number in range(_AHEAD)} | {last, last + _DAY}
    return {day for day in found if today - _DAY <= day < date.max - _DAY * 2}


def _moment(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> datetime:
    days, rest = divmod(minute, 1440)
    there = day + _DAY * days
    local = datetime(there.year, there.month, there.day, rest // 60, rest % 60, tzinfo=zone, fold=fold)
    return local.astimezone(UTC)


class Span(msgspec.Struct, frozen=True):
    """Which allow and deny sections are in force (role number i is bit i), and until when, None for ever."""

    allow: int
    deny: int
    until: datetime | None = None


def is_scheduled(roles: Iterable[Role]) -> bool:
    return any(role.spec.allow.schedule or role.spec.deny.schedule for role in roles)


def span(roles: Sequence[Role], now: datetime | None) -> Span:
    """At a moment; without one, for any time: scheduled allows are out, scheduled denies are in."""
    allow = deny = 0
    changes: list[datetime] = []
    for number, role in enumerate(roles):
        allow |= _in_force(role.spec.allow, now, False, changes) << number
        deny |= _in_force(role.spec.deny, now, True, changes) << number
    return Span(allow, deny, min(changes, default=None))


def _in_force(section: RoleConditions, now: datetime | None, is_deny: bool, changes: list[datetime]) -> bool:
    if not section.schedule:
        return True
    if now is None:
        return is_deny
    try:
        change = next_change(section.schedule, now)
        answer = is_open(section.schedule, now)
    except BadParameter:
        return is_deny
    if change is not None:
        changes.append(change)
    return answer


def as_of(role: Role, allows: bool, denies: bool) -> Role:
    """The role without the sections that are not in force."""
    if (allows or not role.spec.allow.schedule) and (denies or not role.spec.deny.schedule):
        return role
    spec = msgspec.structs.replace(
        role.spec,
        allow=role.spec.allow if allows else RoleConditions(),
        deny=role.spec.deny if denies else RoleConditions(),
    )
    # an empty allow of v3 would mean every application, database and Kubernetes cluster
    version = "v4" if role.version == "v3" and not allows else role.version
    return msgspec.structs.replace(role, spec=spec, version=version)


def describe(schedule: Sequence[AccessWindow]) -> str:
    """`weekdays 09:00-18:00 Asia/Seoul or 2030-12-24 UTC`"""
    return " or ".join(str(window) for window in schedule)
