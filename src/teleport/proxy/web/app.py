"""The HTTPS application of the proxy: pages, the public API, and the API for browsers with a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as HttpRoute

from teleport.api.client import Client, Transport
from teleport.api.endpoint import WEB_SESSION_HEADER
from teleport.api.json_value import read_json
from teleport.api.route import Audience, Empty, Route
from teleport.api.routes import login, public, users
from teleport.api.routes.catalog import ROUTES
from teleport.api.routes.login import WebSessionGrant
from teleport.credentials.authorities import TrustedAuthority
from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, NotFound, TeleportError
from teleport.foundation.logs import get_logger
from teleport.net.asgi import AsgiApp
from teleport.proxy.inner_dial import InnerDial
from teleport.proxy.web import forward
from teleport.proxy.web.discreet import Discreet
from teleport.proxy.web.pages import IMMUTABLE, Pages
from teleport.proxy.web.safety import (
    SafeHeaders,
    give_csrf_cookie,
    give_session_cookie,
    require_own_page,
    take_session_cookie,
)
from teleport.proxy.web.sessions import SessionRefused, WebSessions
from teleport.proxy.web.sso import SingleSignOn, for_people
from teleport.proxy.web.terminal import PATH as TERMINAL_PATH
from teleport.proxy.web.terminal import Terminals

log = get_logger("web")

Endpoint = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body", bound=msgspec.Struct)

METHODS = ["GET", "POST", "PUT", "DELETE"]


class WebApp:
    """`transport` speaks to auth as this proxy; `addresses` are what clients should call.

    `trust_forwarded_for`: a load balancer in front says in X-Forwarded-For who the client is. With `dial` there are
    terminals, whose hosts must prove themselves by `authorities`.
    """

    def __init__(
        self,
        transport: Transport,
        addresses: public.ProxySettings,
        clock: Clock,
        pages: Pages | None = None,
        *,
        trust_forwarded_for: bool = False,
        dial: Callable[[], InnerDial] | None = None,
        authorities: Callable[[], Sequence[TrustedAuthority]] = tuple,
    ) -> None:
        self._transport = Discreet(transport)
        self._addresses = addresses
        self._clock = clock
        self._pages = pages or Pages()
        self._clients = forward.ClientAddresses(trust_forwarded_for=trust_forwarded_for)
        self.sessions = WebSessions(self._client, clock)
        self._terminals = (
            Terminals(self.sessions, self._session_client, self._clients.of, dial, authorities) if dial else None
        )
        self._sign_on = SingleSignOn(self._client, self._enter_with)
        self._public = forward.patterns(route for route in ROUTES if route.audience is Audience.PUBLIC)
        self._browser = forward.patterns(
            route for route in ROUTES if route.audience is not Audience.PROXY and route.path.startswith("/v1/")
        )
        application = Starlette(routes=self._routes())
        application.router.redirect_slashes = False  # it would build an address from what the client sent
        self.app: AsgiApp = SafeHeaders(application)

    def _routes(self) -> list[BaseRoute]:
        table: tuple[tuple[str, list[str], Endpoint], ...] = (
            ("/", ["GET"], self._root),
            ("/web", ["GET"], self._page),
            ("/web/{path:path}", ["GET"], self._page),
            ("/webapi/sessions/web", ["POST"], self._log_in(login.CREATE_SESSION)),
            ("/webapi/mfa/login/finishsession", ["POST"], self._log_in(login.FINISH_SESSION)),
            ("/webapi/users/password/token", ["PUT"], self._sign_up),
            ("/webapi/sessions/web/renew", ["POST"], self._renew),
            ("/webapi/sessions", ["DELETE"], self._log_out),
            ("/webapi/oidc/login/web", ["GET"], for_people(self._sign_on.start)),
            ("/webapi/oidc/callback", ["GET"], for_people(self._sign_on.callback)),
            ("/v1/webapi/oidc/callback", ["GET"], for_people(self._sign_on.callback)),
            ("/webapi/ping", ["GET"], self._ping),
            ("/webapi/ping/{connector}", ["GET"], self._ping),
            ("/webapi/find", ["GET"], self._find),
            ("/webapi/{path:path}", METHODS, self._public_call),
            ("/v1/{path:path}", METHODS, self._browser_call),
        )
        routes: list[BaseRoute] = [
            HttpRoute(path, _guarded(endpoint), methods=methods) for path, methods, endpoint in table
        ]
        if self._terminals is not None:
            routes.append(WebSocketRoute(TERMINAL_PATH, self._terminals.serve))
        return routes

    def close(self) -> None:
        """Forget all sessions; they go on at auth."""
        self.sessions.close()

    def _client(self, request: HTTPConnection) -> Client:
        return Client(self._transport, {forward.CLIENT_ADDRESS: self._clients.of(request)})

    def _session_client(self, request: HTTPConnection, session_id: str) -> Client:
        """To auth as the person of a session."""
        headers = {forward.CLIENT_ADDRESS: self._clients.of(request), WEB_SESSION_HEADER: session_id}
        return Client(self._transport, headers)

    async def _root(self, request: Request) -> Response:
        return RedirectResponse("/web", 302)

    async def _page(self, request: Request) -> Response:
        answer = self._pages.answer(request)
        if answer.headers["cache-control"] != IMMUTABLE:  # what a cache gives to many is no place for a cookie
            give_csrf_cookie(request, answer)
        return answer

    async def _ping(self, request: Request) -> Response:
        connector = request.path_params.get("connector")
        if connector is None:
            answer = await self._client(request).call(public.PING, Empty())
        else:
            answer = await self._client(request).call(public.PING_CONNECTOR, public.ConnectorName(connector))
        return _json(msgspec.structs.replace(answer, proxy=self._with_addresses(answer.proxy)))

    async def _find(self, request: Request) -> Response:
        answer = await self._client(request).call(public.FIND, Empty())
        return _json(msgspec.structs.replace(answer, proxy=self._with_addresses(answer.proxy)))

    def _with_addresses(self, told: public.ProxySettings) -> public.ProxySettings:
        """Where to connect is ours to say, how long it may take the cluster's."""
        ssh = msgspec.structs.replace(self._addresses.ssh, dial_timeout=told.ssh.dial_timeout)
        return msgspec.structs.replace(self._addresses, ssh=ssh)

    async def _public_call(self, request: Request) -> Response:
        _require_known(request, self._public)
        return await forward.forward(request, self._transport, self._clients.of(request))

    async def _browser_call(self, request: Request) -> Response:
        _require_known(request, self._browser)
        session = await self.sessions.of_page(request)
        address = self._clients.of(request)
        return await forward.forward(
            request, self._transport, address, session, lambda: self.sessions.is_kept(session)
        )

    def _log_in(self, route: Route[login.FinishSessionLogin, WebSessionGrant]) -> Endpoint:
        async def answer(request: Request) -> Response:
            require_own_page(request)
            asked = _decode(await forward.body_of(request), login.FinishSessionLogin)
            return await self._enter(await self._client(request).call(route, asked))

        return answer

    async def _sign_up(self, request: Request) -> Response:
        require_own_page(request)
        asked = _decode(await forward.body_of(request), users.SetPassword)
        return await self._enter(await self._client(request).call(users.SIGN_UP_SESSION, asked))

    async def _enter(self, grant: WebSessionGrant) -> Response:
        return self._enter_with(grant, self._granted(grant))

    def _enter_with(self, grant: WebSessionGrant, answer: Response) -> Response:
        self.sessions.keep(grant)
        return give_session_cookie(answer, grant.session_id)

    async def _renew(self, request: Request) -> Response:
        require_own_page(request)
        return self._granted(await self.sessions.renew(request))

    async def _log_out(self, request: Request) -> Response:
        """The browser forgets its session even when auth cannot be told."""
        require_own_page(request)
        answer: Response
        try:
            await self.sessions.end(request)
            answer = JSONResponse({}, headers={"cache-control": "no-store"})
        except TeleportError as error:
            answer = _refused(error)
        return take_session_cookie(answer)

    def _granted(self, grant: WebSessionGrant) -> Response:
        """What the page may know of its session: never the cookie's secret, never a key."""
        return JSONResponse(
            {
                "type": "Bearer",
                "token": grant.bearer_token,
                "username": grant.username,
                "expires_in": int((grant.bearer_expires - self._clock.now()).total_seconds()),
                "sessionExpires": grant.expires.isoformat(),
                "sessionInactiveTimeout": grant.inactive_timeout,
                "accessRequests": list(grant.access_requests),
                "accessEnds": grant.access_ends.isoformat() if grant.access_ends else None,
            },
            headers={"cache-control": "no-store"},
        )


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except TeleportError as error:
            return _refused(error)
        except Exception as error:  # below this, nobody would hear of it
            log.error("request failed", method=request.method, path=request.url.path, error=error)
            return _refused(TeleportError("internal error"))

    return answer


def _refused(error: TeleportError) -> Response:
    """A refused session says so in a header, so that a page can tell it from what auth refused."""
    answer = forward.refusal(error)
    if isinstance(error, SessionRefused):
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def _require_known(request: Request, known: list[tuple[str, Any]]) -> None:
    path = request.scope["path"]
    if not any(method == request.method and pattern.fullmatch(path) for method, pattern in known):
        raise NotFound(f"{request.method} {path}: there is no such call")


def _decode(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=kind, dec_hook=read_json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadParameter(f"request body: {problem}") from None


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), 200, {"cache-control": "no-store"}, "application/json")
