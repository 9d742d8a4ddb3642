"""What every answer to a browser says, and which requests of a browser are refused unread.

A page of ours runs only our own scripts, is never framed and speaks to nobody else. A request that changes something
must come from a page of ours: it repeats the value of a cookie that other sites cannot read.
"""

from __future__ import annotations

import hmac
import re
import secrets

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teleport.foundation.errors import AccessDenied

CSRF_COOKIE = "__Host-csrf"
CSRF_HEADER = "x-csrf-token"
SESSION_COOKIE = "__Host-session"
_TOKEN = re.compile(r"[0-9a-f]{64}")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: dict[bytes, bytes] = {
    b"content-security-policy": _POLICY.encode(),
    b"strict-transport-security": b"max-age=31536000",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


class SafeHeaders:
    """ASGI middleware: adds HEADERS to every answer that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                present = {name.lower() for name, _ in own}
                message["headers"] = own + [pair for pair in HEADERS.items() if pair[0] not in present]
            await send(message)

        await self._app(scope, receive, send_safely)


def require_own_page(request: Request) -> None:
    """Raises AccessDenied for a request that another site could have made a browser send."""
    cookie = request.cookies.get(CSRF_COOKIE, "")
    header = request.headers.get(CSRF_HEADER, "")
    if not _TOKEN.fullmatch(cookie) or not hmac.compare_digest(cookie.encode(), header.encode()):
        raise AccessDenied("this request did not come from a page of this proxy: reload the page and try again")
    require_same_origin(request)


def require_same_origin(request: HTTPConnection) -> None:
    """Raises AccessDenied when the browser says that a page of another site asks: an application of ours too."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and origin.lower() != f"https://{host.lower()}":
        raise AccessDenied("a page of another site may not ask this")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise AccessDenied("a page of another site may not ask this")


def give_csrf_cookie(request: Request, response: Response) -> Response:
    """The cookie is readable by our pages and by no other site; it proves nothing but where a request came from."""
    if not _TOKEN.fullmatch(request.cookies.get(CSRF_COOKIE, "")):
        response.set_cookie(CSRF_COOKIE, secrets.token_hex(32), secure=True, samesite="strict", path="/")
    return response


def give_session_cookie(response: Response, session_id: str) -> Response:
    response.set_cookie(SESSION_COOKIE, session_id, secure=True, httponly=True, samesite="lax", path="/")
    return response


def take_session_cookie(response: Response) -> Response:
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return response
