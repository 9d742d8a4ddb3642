"""When a section of a role is in force: windows of days, hours and dates in a time zone."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, require
from teleport.model.values import CommaList, meta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GROUPS = {"weekdays": WEEKDAYS[:5], "weekends": WEEKDAYS[5:], "*": WEEKDAYS}
MAX_WINDOWS = 64
MAX_ENTRIES = 400
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)\Z")


class AccessWindow(Model):
    """Fields are joined by AND, entries of one field by OR; an empty field is any time.

    `days`: names, their first three letters, `weekdays`, `weekends`. `hours`: `09:00-18:00`; one that ends before it
    begins passes midnight and belongs to the day on which it begins. `dates`: `2030-12-24`, or
    `2030-12-24/2031-01-02`, both included. `time_zone`: a name of the IANA database, UTC where it is empty.
    """

    days: CommaList = []
    hours: CommaList = []
    dates: CommaList = []
    time_zone: str = ""

    def weekdays(self) -> frozenset[int]:
        """Monday is 0. Raises BadParameter."""
        found: set[int] = set()
        for text in self.days:
            word = text.strip().lower()
            names = GROUPS.get(word) or tuple(day for day in WEEKDAYS if word in (day, day[:3]))
            require(names, f"{text[:40]!r} is no day: expected monday to sunday, mon to sun, weekdays or weekends")
            found.update(WEEKDAYS.index(name) for name in names)
        return frozenset(found) or frozenset(range(7))

    def minutes(self) -> tuple[tuple[int, int], ...]:
        """Begin and end in minutes of the day; an end past 1440 is on the next day. Raises BadParameter."""
        return tuple(_minutes(text) for text in self.hours) or ((0, 1440),)

    def date_ranges(self) -> tuple[tuple[date, date], ...]:
        """First and last day; none means any. Raises BadParameter."""
        return tuple(_range(text) for text in self.dates)

    def zone(self) -> ZoneInfo:
        """Raises BadParameter for a name that this host does not know."""
        return _zone(self.time_zone or "UTC")

    def check(self, where: str) -> None:
        """Raises BadParameter."""
        require(self.days or self.hours or self.dates, f"{where} is empty: it needs days, hours or dates")
        for field, read in (
            ("days", self.weekdays),
            ("hours", self.minutes),
            ("dates", self.date_ranges),
            ("time_zone", self.zone),
        ):
            written = getattr(self, field)
            require(isinstance(written, str) or len(written) <= MAX_ENTRIES, f"{where}.{field} is too long")
            try:
                read()
            except BadParameter as problem:
                raise BadParameter(f"{where}.{field}: {problem.message}") from None

    def __str__(self) -> str:
        """In one line: `weekdays 09:00-18:00 Asia/Seoul`."""
        parts = (",".join(self.days), ",".join(self.hours), ",".join(self.dates), self.time_zone or "UTC")
        return " ".join(part for part in parts if part)


def _minutes(text: str) -> tuple[int, int]:
    found = _HOURS.match(text.strip().replace(" ", ""))
    if found is None:
        raise BadParameter(f"{text[:40]!r} is no range of hours, expected a form like 09:00-18:00")
    begin = int(found[1]) * 60 + int(found[2])
    end = int(found[3]) * 60 + int(found[4]) if found[3] else 1440
    require(begin != end, f"{text!r} begins and ends at the same time, leave hours out for the whole day")
    return begin, end if end > begin else end + 1440


def _range(text: str) -> tuple[date, date]:
    first, mark, last = text.strip().partition("/")
    try:
        found = date.fromisoformat(first.strip()), date.fromisoformat((last if mark else first).strip())
    except ValueError:
        raise BadParameter(
            f"{text[:40]!r} is no date, expected a form like 2030-12-24 or 2030-12-24/2031-01-02"
        ) from None
    require(found[0] <= found[1], f"{text!r} ends before it begins")
    return found


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadParameter(f"{name[:80]!r} is no time zone known here, expected one like Asia/Seoul") from None


def _windows(value: object) -> object:
    return [value] if isinstance(value, dict) else value


Schedule = Annotated[list[AccessWindow], meta(_windows)]
"""Windows of which any may be open; a document may also give one. Empty: always."""


def check_schedule(schedule: list[AccessWindow], where: str) -> None:
    """Raises BadParameter."""
    require(len(schedule) <= MAX_WINDOWS, f"{where} has {len(schedule)} windows, at most {MAX_WINDOWS} are possible")
    for number, window in enumerate(schedule):
        window.check(f"{where}[{number}]")
