"""The audit log: agents hand events in, people search and follow them. Events are JSON of model.events."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.route import Route, Shape


class EmitEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch, durable when answered; events whose uid is known already are passed over in silence.

    A host speaks only for itself: `server_id` must be its own.
    """

    events: tuple[msgspec.Raw, ...]


class EventsAccepted(msgspec.Struct, frozen=True):
    accepted: int
    duplicates: int = 0


class SearchEvents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`start` (inclusive) to `end` (exclusive), default the last day. `order` is asc or desc."""

    start: datetime | None = None
    end: datetime | None = None
    types: tuple[str, ...] = ()
    user: str = ""
    session_id: str = ""
    search: str = ""
    limit: int = 0
    start_key: str = ""
    order: str = "desc"


class EventPage(msgspec.Struct, frozen=True):
    events: tuple[msgspec.Raw, ...] = ()
    next_key: str = ""


class FollowEvents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From now on, or from `start`."""

    start: datetime | None = None
    types: tuple[str, ...] = ()
    user: str = ""


class EventLine(msgspec.Struct, frozen=True):
    event: msgspec.Raw


EMIT = Route("POST", "/v1/audit/events", EmitEvents, EventsAccepted, max_body=8 << 20, summary="Hand in audit events")
SEARCH = Route("GET", "/v1/audit/events", SearchEvents, EventPage, summary="Search the audit log")
FOLLOW = Route(
    "GET", "/v1/audit/follow", FollowEvents, EventLine, shape=Shape.LINES, summary="Follow the audit log as it grows"
)
ROUTES = (EMIT, SEARCH, FOLLOW)
