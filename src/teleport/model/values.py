"""Values with more than one spelling: durations, booleans, lists, enumerations with numbers.

Canonical Python and JSON forms are plain; the other spellings are accepted only where people write documents
(`codec.decode_document`), which calls the function found under `coerce` in a field's annotation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

import msgspec

from teleport.foundation import durations
from teleport.foundation.errors import BadParameter

_NANOSECONDS = 1_000_000_000
_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_GO_ZERO_YEAR = 1
_LONGEST = timedelta(days=36_500)  # float seconds are exact to the microsecond up to here


class Duration(timedelta):
    """A timedelta whose text form is Go's: `30h0m0s`, `1m30s`, `1.5s`, `0s`. Reads also `7d` and `never` (zero)."""

    __slots__ = ()

    @classmethod
    def of(cls, delta: timedelta) -> Self:
        return cls(days=delta.days, seconds=delta.seconds, microseconds=delta.microseconds)

    @classmethod
    def parse(cls, value: str | int) -> Self:
        """Text, or a whole number of nanoseconds. Raises BadParameter."""
        if not isinstance(value, str) and abs(value) > _LONGEST.days * 86_400 * _NANOSECONDS:
            raise BadParameter(f"duration of {value} nanoseconds is too long")
        found = cls.of(durations.parse(value)) if isinstance(value, str) else cls(microseconds=value // 1000)
        if abs(found) > _LONGEST:
            raise BadParameter(f"duration {value!r} is too long, at most {_LONGEST.days} days are possible")
        return found

    @property
    def delta(self) -> timedelta:
        """The same length as a plain timedelta."""
        return timedelta(days=self.days, seconds=self.seconds, microseconds=self.microseconds)

    def __str__(self) -> str:
        microseconds = (self.days * 86_400 + self.seconds) * 1_000_000 + self.microseconds
        sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
        seconds, fraction = divmod(microseconds, 1_000_000)
        if seconds == 0 and fraction:
            return f"{sign}{_decimal(fraction, 1000)}ms"
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        out = f"{hours}h" if hours else ""
        out += f"{minutes}m" if hours or minutes else ""
        return f"{sign}{out}{_decimal(seconds * 1_000_000 + fraction, 1_000_000)}s"

    __repr__ = __str__


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)


def _flag(value: object) -> object:
    if isinstance(value, str):
        return value.strip().lower() in _TRUE
    if isinstance(value, int) and not isinstance(value, bool):
        return value == 1
    return value


def _string_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _set_apart(value: object) -> object:
    """A comma list in one string (`a,b`), or a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


_SIZES = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_SIZE = re.compile(r"(\d{1,15})\s*([A-Za-z]{0,3})")


def size_of(text: str) -> int:
    """Bytes, of a text like `500`, `10MB` or `10MiB`. Raises BadParameter."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or found[2].lower() not in _SIZES:
        raise BadParameter(f"{text!r} is no size, expected a form like 500, 10MB or 10MiB")
    return int(found[1]) * _SIZES[found[2].lower()]


def _size(value: object) -> object:
    return size_of(value) if isinstance(value, str) else value


def choice(
    field: str, numbers: Mapping[int, str], spellings: Mapping[object, object] | None = None
) -> Callable[[object], object]:
    """A coercion for an enumeration: wire numbers and other spellings become the canonical word."""
    words = dict(spellings or {})

    def coerce(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            key = value.strip().lower() if isinstance(value, str) else value
            return words.get(key, value) if isinstance(key, str | bool) else value
        if value not in numbers:
            raise BadParameter(f"{field} is {value}, expected one of {', '.join(map(str, numbers))}")
        return numbers[value]

    return coerce


def meta(coerce: Callable[[object], object]) -> msgspec.Meta:
    """The annotation that makes documents pass through `coerce`."""
    return msgspec.Meta(extra={"coerce": coerce})


Flag = Annotated[bool, meta(_flag)]
"""true, false and the strings yes, no, on, off, 1, 0; any other string is false."""

StringList = Annotated[list[str], meta(_string_list)]
"""A list of strings; a document may also give one string."""

CommaList = Annotated[list[str], meta(_set_apart)]
"""A list of strings; a document may also give one string with commas."""

Size = Annotated[int, msgspec.Meta(ge=0, extra={"coerce": _size})]
"""Bytes; a document may also give a text like `10MB` or `10MiB`."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its zone, RFC 3339."""

LabelSelector = dict[str, StringList]
"""Label keys and the values each may have."""

Traits = dict[str, StringList]
"""Attributes of a person: each name has several values."""


def utc(moment: datetime | None, field: str) -> datetime | None:
    """The moment in UTC; Go's zero time is no moment. Raises BadParameter without a zone."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise BadParameter(
            f"{field}: {moment.isoformat()} has no time zone, expected a form like 2030-01-31T12:00:00Z"
        )
    if moment.year == _GO_ZERO_YEAR:
        return None
    try:
        return moment.astimezone(UTC)
    except OverflowError as overflow:
        raise BadParameter(f"{field}: {moment.isoformat()} is out of range") from overflow


def decode_hook(kind: Any, value: Any) -> Any:
    """For msgspec: the values it does not know. Raises ValueError, to which msgspec adds the path."""
    if kind is Duration:
        return _duration(value)
    reader = getattr(getattr(kind, "__origin__", kind), "decode", None)
    if reader is None:
        raise NotImplementedError(f"no reader for {kind}")
    return reader(kind, value)


def _duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"expected a duration like 1h30m, 90s or never, found {value!r}")
    try:
        return Duration.parse(value)
    except BadParameter as problem:
        raise ValueError(problem.message) from problem


def encode_hook(value: Any) -> Any:
    """For msgspec: the plain form of the values it does not know."""
    if isinstance(value, Duration):
        return str(value)
    reveal = getattr(value, "reveal", None)
    if reveal is None:
        raise NotImplementedError(f"no plain form for {type(value).__name__}")
    return reveal()
