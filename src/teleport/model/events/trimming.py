"""Events too large for the log are cut field by field, never dropped."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MAX_EVENT = 64 * 1024
_ENVELOPE = frozenset({"event", "code", "uid", "time", "ei", "cluster_name", "sid"})
_CUT = "…"
_MIN_ITEMS = 4


def trimmed(plain: Mapping[str, object], limit: int = MAX_EVENT) -> dict[str, object]:
    """The event itself where it fits, else a copy whose longest texts and lists are cut. The envelope stays whole."""
    event = dict(plain)
    length = limit // 2
    while _size(event) > limit and length >= 16:
        event = {key: value if key in _ENVELOPE else _cut(value, length) for key, value in plain.items()}
        length //= 2
    for key in sorted(event, key=lambda key: _size(event[key]), reverse=True):
        if _size(event) <= limit:
            break
        if key not in _ENVELOPE:
            event[key] = _CUT
    if _size(event) > limit:  # even the envelope is absurd, or there are far too many fields
        event = {key: _cut(value, 256) for key, value in event.items() if key in _ENVELOPE}
    return event


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))


def _cut(value: object, length: int) -> object:
    if isinstance(value, str):
        return value if len(value) <= length else value[:length] + _CUT
    items = max(_MIN_ITEMS, length // 16)
    if isinstance(value, list):
        return [_cut(item, length) for item in value[:items]]
    if isinstance(value, dict):
        return {str(_cut(key, length)): _cut(item, length) for key, item in list(value.items())[:items]}
    return value
