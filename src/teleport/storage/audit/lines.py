"""An event as a line of the audit log: checked, with what it is found by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from teleport.foundation.errors import BadParameter
from teleport.model.events.trimming import MAX_EVENT, trimmed
from teleport.storage.audit.index import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_UID = 128


class Line(Struct, frozen=True):
    """`content` ends with a line feed."""

    content: bytes
    time: int
    uid: str
    type: str
    user: str
    sid: str

    def entry(self, offset: int) -> Entry:
        return Entry(self.time, self.uid, self.type, self.user, self.sid, offset, len(self.content))


class _Keys(Struct, frozen=True):
    event: str
    uid: str
    time: datetime
    user: object = ""
    sid: object = ""


_decoder = msgspec.json.Decoder(_Keys)


def read_line(event: bytes) -> Line:
    """The line of an event that is a JSON object, cut where it is larger than 64 KiB.

    Raises BadParameter unless it has `event`, `uid`, and `time` with its zone.
    """
    try:
        event.decode()
        keys = _decoder.decode(event)
        content = event.strip()
        if b"\n" in content or len(content) > MAX_EVENT:
            content = msgspec.json.encode(trimmed(msgspec.json.decode(content, type=dict[str, object])))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadParameter(f"not an audit event: {error}") from error
    if not keys.event or not 0 < len(keys.uid) <= _MAX_UID or keys.time.tzinfo is None:
        raise BadParameter("an audit event needs event, uid, and time with its zone")
    return Line(content + b"\n", microseconds(keys.time), keys.uid, keys.event, _text(keys.user), _text(keys.sid))


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
