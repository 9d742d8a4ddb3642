"""Browsers' sessions: the cookie names one, the bearer token proves the page; auth is told which session calls.

Auth keeps the sessions; a proxy keeps what it needs of them for a short time, so that any proxy serves any browser
and a session that ended elsewhere ends here within CHECK_EVERY seconds.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection, Request

from teleport.api.client import Client
from teleport.api.routes import sessions as routes
from teleport.api.routes.login import WebSessionGrant
from teleport.foundation.clock import Clock
from teleport.foundation.errors import AccessDenied, NotAuthenticated, NotFound, TeleportError
from teleport.foundation.logs import get_logger
from teleport.proxy.web.safety import SESSION_COOKIE, require_same_origin

log = get_logger("web")

CHECK_EVERY = 15.0
REREAD_AFTER = 1.0
MAX_KEPT = 5000
_ID = re.compile(r"[0-9a-f]{32,128}")
_GONE = "the session has ended: log in again"


class SessionRefused(NotAuthenticated):
    """There is no such session, or the page has no good token for it."""


@dataclass
class _Kept:
    grant: WebSessionGrant
    checked: float


class WebSessions:
    """Finds the session of a request. `api` gives a client of the proxy's own that tells for whom it asks."""

    def __init__(self, api: Callable[[HTTPConnection], Client], clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept here."""
        return len(self._kept)

    async def of_cookie(self, request: HTTPConnection) -> WebSessionGrant:
        """The session that the cookie names. Raises SessionRefused."""
        return (await self._find(request)).grant

    async def of_page(self, request: Request) -> str:
        """The secret of the session whose page asks. Raises SessionRefused without cookie and token."""
        require_same_origin(request)
        return (await self.of_token(request, _bearer(request))).session_id

    async def of_token(self, request: HTTPConnection, token: str) -> WebSessionGrant:
        """The session that the cookie names, for a page that has its token. Raises SessionRefused."""
        kept = await self._find(request)
        if not _is_token(token, kept.grant) and self._clock.monotonic() - kept.checked >= REREAD_AFTER:
            kept = await self._read(request, kept)  # another proxy may have renewed it
        if not _is_token(token, kept.grant):
            raise SessionRefused("this page has no valid bearer token: reload it")
        if self._clock.now() >= kept.grant.bearer_expires:
            raise SessionRefused("the bearer token of this page has expired: reload it")
        return kept.grant

    async def renew(self, request: Request) -> WebSessionGrant:
        """A fresh bearer token. Raises SessionRefused."""
        session_id = session_id_of(request)
        try:
            grant = await self._api(request).call(routes.RENEW_WEB, routes.WebSessionId(session_id))
        except (NotFound, AccessDenied, NotAuthenticated):
            self.forget(session_id)
            raise SessionRefused(_GONE) from None
        self.keep(grant)
        return grant

    def keep(self, grant: WebSessionGrant) -> None:
        self._kept[grant.session_id] = _Kept(grant, self._clock.monotonic())
        self._kept.move_to_end(grant.session_id)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    async def end(self, request: Request) -> None:
        """Log out: gone at auth and here, whether or not it was still there."""
        session_id = session_id_of(request)
        self.forget(session_id)
        try:
            await self._api(request).call(routes.DELETE_WEB, routes.WebSessionId(session_id))
        except NotFound:
            log.debug("a session that had ended was logged out")

    def is_kept(self, session_id: str) -> bool:
        return session_id in self._kept

    def forget(self, session_id: str) -> None:
        self._kept.pop(session_id, None)

    def close(self) -> None:
        self._kept.clear()

    async def _find(self, request: HTTPConnection) -> _Kept:
        session_id = session_id_of(request)
        kept = self._kept.get(session_id)
        if kept is not None and self._is_fresh(kept):
            if self._clock.now() < kept.grant.expires:
                self._kept.move_to_end(session_id)
                return kept
            self.forget(session_id)
            raise SessionRefused(_GONE)
        return await self._read(request, kept)

    def _is_fresh(self, kept: _Kept) -> bool:
        """Access that was taken on for a time ends on time: then the certificates are the session's own again."""
        ends = kept.grant.access_ends
        has_ended = ends is not None and self._clock.now() >= ends
        return not has_ended and self._clock.monotonic() - kept.checked < CHECK_EVERY

    async def _read(self, request: HTTPConnection, kept: _Kept | None) -> _Kept:
        """What auth knows of the session now. While auth is away, what was known a moment ago stands."""
        session_id = session_id_of(request)
        try:
            grant = await self._api(request).call(routes.GET_WEB, routes.WebSessionId(session_id))
        except (NotFound, AccessDenied, NotAuthenticated):
            self.forget(session_id)
            raise SessionRefused(_GONE) from None
        except TeleportError:
            if kept is not None and self._clock.now() < kept.grant.expires:
                return kept
            raise
        self.keep(grant)
        return self._kept[session_id]


def _bearer(request: HTTPConnection) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_token(token: str, grant: WebSessionGrant) -> bool:
    return hmac.compare_digest(grant.bearer_token.encode(), token.encode())


def session_id_of(request: HTTPConnection) -> str:
    """Raises SessionRefused when the request has no session cookie of ours."""
    session_id = request.cookies.get(SESSION_COOKIE, "")
    if not _ID.fullmatch(session_id):
        raise SessionRefused("not logged in")
    return session_id
