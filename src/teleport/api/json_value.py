"""A JSON value that passes through unread and may be absent.

`msgspec.Raw` cannot stand beside None in a type, so fields say `Json | None`: what msgspec gives to `read_json`, and
what is a Raw for whoever uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    Json = msgspec.Raw
else:

    class _IsRaw(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, msgspec.Raw)

    class Json(metaclass=_IsRaw):
        """Never made: its values are of msgspec.Raw."""


def read_json(kind: type, value: Any) -> msgspec.Raw:
    """For msgspec's `dec_hook`."""
    if kind is Json:
        return msgspec.Raw(msgspec.json.encode(value))
    raise NotImplementedError(f"no reader for {kind}")


def describe_json(kind: type) -> dict[str, object]:
    """For msgspec's `schema_hook`: anything."""
    if kind is Json:
        return {"description": "Any JSON."}
    raise NotImplementedError(f"no schema for {kind}")
