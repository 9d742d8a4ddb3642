"""Running sessions (trackers, kept by the hosts that run them) and web sessions (kept for proxies).

The id of a web session is a secret, so it travels in bodies only.
"""

from __future__ import annotations

from datetime import datetime

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


class AssumeAccess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Approved access requests of the caller to take on in their web session, and some to drop (`*`: all)."""

    access_requests: tuple[str, ...] = ()
    drop_access_requests: tuple[str, ...] = ()


class AccessAssumed(msgspec.Struct, frozen=True, kw_only=True):
    """What the session acts with now. It shows in the proxy's certificates after the next renewal of the session."""

    access_requests: tuple[str, ...] = ()
    access_ends: datetime | None = None


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
ASSUME = Route(
    "POST",
    "/v1/websessions/access",
    AssumeAccess,
    AccessAssumed,
    summary="Take approved access requests on in the caller's web session, or drop them",
)
ROUTES = (LIST, GET, PUT, DELETE, GET_WEB, RENEW_WEB, DELETE_WEB, ASSUME)
