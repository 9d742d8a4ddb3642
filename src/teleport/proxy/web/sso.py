"""Single sign-on in a browser: to the provider with a cookie that only this browser has, and back with an answer.

The cookie is what makes a login this browser's own: an answer that comes without it opens nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from teleport.api.client import Client
from teleport.api.routes import sso
from teleport.api.routes.login import WebSessionGrant
from teleport.foundation.errors import BadParameter, TeleportError

LOGIN_COOKIE = "__Host-sso"
_SECRET = re.compile(r"[0-9a-f]{64}")
_LIFE = 300
_UNKEPT = {"cache-control": "no-store"}
_ANSWERS = ("state", "code", "error", "iss")

Enter = Callable[[WebSessionGrant, Response], Response]


class SingleSignOn:
    """`api` gives a client of the proxy's own; `enter` gives an answer the cookie of a session."""

    def __init__(self, api: Callable[[HTTPConnection], Client], enter: Enter) -> None:
        self._api = api
        self._enter = enter

    async def start(self, request: Request) -> Response:
        """`GET …/login/web?connector_id=NAME&redirect_url=/web/…`: off to the provider."""
        browser = secrets.token_hex(32)
        asked = sso.StartWebLogin(
            connector_id=request.query_params.get("connector_id", ""),
            browser=browser,
            next=request.query_params.get("redirect_url", ""),
            proxy_host=request.headers.get("host", ""),
        )
        started = await self._api(request).call(sso.START_WEB, asked)
        answer = _redirect(started.redirect_url)
        answer.set_cookie(LOGIN_COOKIE, browser, max_age=_LIFE, secure=True, httponly=True, samesite="lax", path="/")
        return answer

    async def callback(self, request: Request) -> Response:
        """Where the provider sends the browser back to."""
        told = {name: request.query_params.getlist(name) for name in _ANSWERS}
        if any(len(values) > 1 for values in told.values()):
            raise BadParameter("the provider's answer has a field twice")
        cookie = request.cookies.get(LOGIN_COOKIE, "")
        asked = sso.ProviderAnswer(
            **{name: told[name][0] for name in ("state", "code", "error") if told[name]},
            issuer=told["iss"][0] if told["iss"] else "",
            browser=cookie if _SECRET.fullmatch(cookie) else "",
        )
        ended = await self._api(request).call(sso.CALLBACK, asked)
        answer = _redirect(ended.redirect_url)
        if ended.session is None:
            return answer
        answer.delete_cookie(LOGIN_COOKIE, secure=True, httponly=True, samesite="lax", path="/")
        return self._enter(ended.session, answer)


def for_people(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A refusal as a page that a person reads, not as an answer of the API."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except TeleportError as error:
            return PlainTextResponse(f"{error}\n", error.http_status, _UNKEPT)

    return answer


def _redirect(address: str) -> Response:
    return RedirectResponse(address, 302, _UNKEPT)
