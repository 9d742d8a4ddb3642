"""Running sessions (trackers, kept by the hosts that run them) and web sessions (kept for proxies).

The id of a web session is a secret, so it travels in bodies only.
"""

from __future__ import annotations

import msgspec

from teleport.api.route import Audience, Empty, Route
from teleport.api.routes.login import WebSessionGrant


class ListSessions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: int = 0
    start: str = ""


class SessionPage(msgspec.Struct, frozen=True):
    """Each item is a session_tracker the caller may see."""

    sessions: tuple[msgspec.Raw, ...] = ()
    next_start: str = ""


class SessionName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session_id: str


class PutSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Create or refresh the tracker of a session that runs on the calling host."""

    session_id: str
    tracker: msgspec.Raw


class SessionShown(msgspec.Struct, frozen=True):
    tracker: msgspec.Raw


class WebSessionId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session_id: str


LIST = Route("GET", "/v1/sessions", ListSessions, SessionPage, summary="List running sessions")
GET = Route("GET", "/v1/sessions/{session_id}", SessionName, SessionShown, summary="One running session")
PUT = Route("PUT", "/v1/sessions/{session_id}", PutSession, SessionShown, summary="Tell of a running session")
DELETE = Route("DELETE", "/v1/sessions/{session_id}", SessionName, Empty, summary="A session has ended")

GET_WEB = Route(
    "POST",
    "/v1/websessions/get",
    WebSessionId,
    WebSessionGrant,
    Audience.PROXY,
    summary="Read a web session and note that it is in use",
)
RENEW_WEB = Route(
    "POST",
    "/v1/websessions/renew",
    WebSessionId,
    WebSessionGrant,
    Audience.PROXY,
    summary="Give a web session a fresh bearer token and, when due, fresh certificates",
)
DELETE_WEB = Route(
    "POST", "/v1/websessions/delete", WebSessionId, Empty, Audience.PROXY, summary="Log a web session out"
)
ROUTES = (LIST, GET, PUT, DELETE, GET_WEB, RENEW_WEB, DELETE_WEB)
