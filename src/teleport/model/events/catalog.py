"""All events on one page, and the way to JSON and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.events import (
    access_list,
    access_request,
    application,
    certificate,
    cluster_alert,
    database,
    desktop,
    device,
    file_transfer,
    integration,
    join,
    resource,
    session,
    user,
)
from teleport.model.events.base import Event, UnknownEvent, to_plain
from teleport.model.events.trimming import MAX_EVENT, trimmed

UNKNOWN_CODE = "TCC00E"
_FAMILIES = (
    user, certificate, join, session, file_transfer, resource, access_request, access_list, device, database,
    application, desktop, integration, cluster_alert,
)  # fmt: skip


def _classes(module: ModuleType) -> Iterator[type[Event]]:
    for value in vars(module).values():
        for found in value if isinstance(value, tuple) else (value,):
            if isinstance(found, type) and issubclass(found, Event) and found.type and found.code:
                yield found


EVENTS: dict[tuple[str, str], type[Event]] = {
    (found.type, found.code): found for family in _FAMILIES for found in _classes(family) if found is not UnknownEvent
}
"""(event, code) to class."""


def encode_event(event: Event) -> bytes:
    """One flat JSON object, cut field by field where it is larger than 64 KiB."""
    plain = to_plain(event)
    encoded = msgspec.json.encode(plain)
    return encoded if len(encoded) <= MAX_EVENT else msgspec.json.encode(trimmed(plain))


def decode_event(data: bytes | str | Mapping[str, object]) -> Event:
    """The event; UnknownEvent keeps one that is not in the catalog or has other fields. Raises BadParameter."""
    if isinstance(data, Mapping):
        plain = dict(data)
    else:
        try:
            plain = msgspec.json.decode(data, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
            raise BadParameter(f"not an audit event: {problem}") from problem
    event, code = plain.get("event"), plain.get("code")
    if not isinstance(event, str) or not event:
        raise BadParameter("an audit event needs `event`")
    known = EVENTS.get((event, code)) if isinstance(code, str) else None
    if known is not None:
        fields = {key: value for key, value in plain.items() if key not in ("event", "code")}
        try:
            return msgspec.convert(fields, known)
        except (msgspec.ValidationError, RecursionError):
            pass  # a newer program wrote it: all of it is kept
    return _unknown(plain, event, code if isinstance(code, str) else "")


def _unknown(plain: dict[str, object], event: str, code: str) -> UnknownEvent:
    try:
        envelope = msgspec.convert(plain, _Envelope)
    except msgspec.ValidationError:
        envelope = _Envelope()
    found = UnknownEvent(
        uid=envelope.uid, time=envelope.time, ei=envelope.ei, cluster_name=envelope.cluster_name, raw=plain
    )
    found.type, found.code = event, code
    return found


class _Envelope(Event, forbid_unknown_fields=False):
    """What all events share, whatever else they say."""
