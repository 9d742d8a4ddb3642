"""The stream of changes: a snapshot, then each change with its revision, for replicas and for whoever watches."""

from __future__ import annotations

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Route, Shape


class Watch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kinds` as in model.kinds. `after` 0 asks for a snapshot first; else changes after that position follow, or,
    when they are no longer kept, the single line `gap`: begin again with 0.
    """

    kinds: tuple[str, ...]
    after: int = 0


class ChangeLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line.

    `item`: part of the snapshot. `ready`: the snapshot is complete; `position` is where changes go on.
    `put`, `delete`: a change. `current`: nothing more up to `position`. `gap`: list again. Empty lines say nothing.
    """

    type: str
    kind: str = ""
    name: str = ""
    position: int = 0
    resource: Json | None = None


WATCH = Route("GET", "/v1/changes", Watch, ChangeLine, shape=Shape.LINES, summary="Follow changes of resources")
ROUTES = (WATCH,)
