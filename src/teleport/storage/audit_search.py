"""Finding events: pages by time, user, type and session, in either order."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from teleport.foundation.errors import BadParameter, LimitExceeded
from teleport.model.events.trimming import MAX_EVENT, trimmed
from teleport.storage.audit.files import DayFiles
from teleport.storage.audit.index import AuditIndex, Condition, Place
from teleport.storage.audit.lines import microseconds

MAX_LIMIT = 10_000
MAX_PAGE_BYTES = 1024 * 1024
_AT_ONCE = 500
_MOST_CONSIDERED = 200_000

_key_decoder = msgspec.json.Decoder(tuple[int, str])


class EventQuery(Struct, frozen=True, kw_only=True):
    """Which events: from `start` (included) to `end` (excluded). Empty filters let everything pass.

    `accept` sees each candidate's JSON line last; it is called in another thread.
    """

    start: datetime
    end: datetime
    types: frozenset[str] = frozenset()
    user: str = ""
    session_id: str = ""
    order: Literal["asc", "desc"] = "asc"
    limit: int = 500
    start_key: str = ""
    accept: Callable[[bytes], bool] | None = None


class EventPage(Struct, frozen=True):
    """`lines` are JSON objects in order of time, then uid, together at most 1 MiB; `next_key` is empty at the end.

    A page may be short, even empty, before the end.
    """

    lines: list[bytes]
    next_key: str = ""


def condition_of(query: EventQuery) -> Condition:
    """Raises BadParameter, LimitExceeded."""
    if query.start.tzinfo is None or query.end.tzinfo is None:
        raise BadParameter("a search needs a range of times with their zone")
    if query.limit < 1:
        raise BadParameter(f"limit is {query.limit}, expected 1 to {MAX_LIMIT}")
    if query.limit > MAX_LIMIT:
        raise LimitExceeded(f"limit is {query.limit}, at most {MAX_LIMIT} events are given at once")
    return Condition(
        start=microseconds(query.start),
        end=microseconds(query.end),
        types=sorted(query.types),
        user=query.user,
        sid=query.session_id,
        order=query.order,
        after=_read_key(query.start_key) if query.start_key else None,
    )


def find_events(index: AuditIndex, files: DayFiles, query: EventQuery, condition: Condition) -> EventPage:
    """Raises sqlite3.Error, OSError."""
    lines: list[bytes] = []
    size, last = 0, ""
    for considered, (place, line) in enumerate(_candidates(index, files, condition, min(query.limit + 1, _AT_ONCE))):
        if considered == _MOST_CONSIDERED:
            return EventPage(lines, last)
        if query.accept is None or query.accept(line):
            if len(lines) == query.limit or size + len(line) > MAX_PAGE_BYTES:
                return EventPage(lines, last)
            lines.append(line)
            size += len(line)
        last = _write_key(place)
    return EventPage(lines)


def read_places(files: DayFiles, places: Iterable[Place]) -> list[tuple[Place, bytes]]:
    """The events there, in the given order; those whose file is gone are left out."""
    by_file: dict[str, list[Place]] = {}
    for place in places:
        by_file.setdefault(place.file, []).append(place)
    found: dict[int, bytes] = {}
    for name, some in by_file.items():
        with contextlib.suppress(FileNotFoundError):
            contents = files.read(name, [(place.offset, place.length) for place in some])
            found.update((place.seq, content) for place, content in zip(some, contents, strict=True))
    return [(place, _within_limit(found[place.seq].rstrip(b"\n"))) for place in places if place.seq in found]


def _candidates(
    index: AuditIndex, files: DayFiles, condition: Condition, at_once: int
) -> Iterator[tuple[Place, bytes]]:
    while True:
        places = index.find(condition, at_once)
        yield from read_places(files, places)
        if len(places) < at_once:
            return
        condition = msgspec.structs.replace(condition, after=(places[-1].time, places[-1].uid))
        at_once = _AT_ONCE


def _within_limit(line: bytes) -> bytes:
    if len(line) <= MAX_EVENT:
        return line
    return msgspec.json.encode(trimmed(msgspec.json.decode(line, type=dict[str, object])))


def _write_key(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((place.time, place.uid))).decode().rstrip("=")


def _read_key(key: str) -> tuple[int, str]:
    try:
        return _key_decoder.decode(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
    except (binascii.Error, ValueError) as error:
        raise BadParameter("the start key is not one that a search gave") from error
