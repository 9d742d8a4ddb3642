"""Passing calls on to auth, as they are: public ones in the proxy's name, a browser's in its session's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response, StreamingResponse

from teleport.api.client import Transport
from teleport.api.endpoint import CLIENT_ADDRESS_HEADER, MFA_HEADER, WEB_SESSION_HEADER
from teleport.api.route import MAX_BODY, ErrorBody, Failure, Route
from teleport.foundation.errors import BadParameter, LimitExceeded, TeleportError

CLIENT_ADDRESS = CLIENT_ADDRESS_HEADER
CALL_TIMEOUT = 30.0
_PASSED_BACK = ("content-type", "cache-control")
_PASSED_ON = ("content-type", "accept", "user-agent", MFA_HEADER)
_PATH_FIELD = re.compile(r"\{(\w+)(:path)?\}")


class TooLarge(LimitExceeded):
    """The body of a request is larger than any call takes."""

    http_status = 413


def refusal(error: TeleportError) -> Response:
    """An error as every answer of the API tells it."""
    failure = Failure(ErrorBody(code=error.code, message=error.message, event_id=error.event_id))
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(failure), error.http_status, headers, "application/json")


class ClientAddresses:
    """Where requests come from: the connection's other end, or what a trusted load balancer in front says.

    Auth is told this address and limits strangers by it, so nothing that a client may write is believed otherwise.
    """

    def __init__(self, *, trust_forwarded_for: bool = False) -> None:
        self._trust_forwarded_for = trust_forwarded_for

    def of(self, request: HTTPConnection) -> str:
        """Raises BadParameter when a trusted X-Forwarded-For names anything but one address."""
        peer = request.client.host if request.client is not None else ""
        told = request.headers.getlist("x-forwarded-for") if self._trust_forwarded_for else []
        if not told:
            return peer
        try:
            (one,) = told
            return str(ipaddress.ip_address(one.strip()))
        except ValueError:
            raise BadParameter("X-Forwarded-For: expected exactly one IP address, as set by one proxy") from None


async def body_of(request: Request, limit: int = MAX_BODY) -> bytes:
    """Raises TooLarge without reading more than `limit` bytes."""
    pieces = bytearray()
    try:
        async for piece in request.stream():
            pieces += piece
            if len(pieces) > limit:
                raise TooLarge(f"the request is larger than {limit} bytes")
    except ClientDisconnect:
        raise BadParameter("the request ended early") from None
    return bytes(pieces)


def target_of(request: Request) -> str:
    """Path and query as they came, still percent-encoded."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.split(b"?", 1)[0].decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _always() -> bool:
    return True


async def forward(
    request: Request, transport: Transport, address: str, session: str = "", lives: Callable[[], bool] = _always
) -> Response:
    """The answer of auth, streamed: a list as it is, a recording or a stream of changes as it comes.

    Of the request's headers only those go on that say how to read the body and who asks; `address` is the client's,
    `session` the secret of the web session whose person calls; a stream ends soon after that does not live any more.
    """
    body = await body_of(request)
    headers = {name: value for name in _PASSED_ON if (value := request.headers.get(name))}
    headers[CLIENT_ADDRESS] = address
    if session:
        headers[WEB_SESSION_HEADER] = session
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(transport.stream(request.method, target_of(request), headers, body))
        back = {"cache-control": "no-store"}
        back |= {name: value for name in _PASSED_BACK if (value := _headers(answer).get(name))}
        closing = stack.pop_all()

        async def pieces() -> AsyncIterator[bytes]:
            async with closing:
                async for piece in answer:
                    if not lives():
                        break
                    yield piece

        return StreamingResponse(pieces(), answer.status, back)


def _headers(answer: Any) -> dict[str, str]:
    headers: dict[str, str] = answer.headers
    return headers


def patterns(routes: Iterable[Route[Any, Any]]) -> list[tuple[str, re.Pattern[str]]]:
    """Method and path pattern of each route, to recognise a request for it."""
    found: list[tuple[str, re.Pattern[str]]] = []
    for route in routes:
        pattern, end = "", 0
        for field in _PATH_FIELD.finditer(route.path):
            pattern += re.escape(route.path[end : field.start()]) + (".+" if field[2] else "[^/]+")
            end = field.end()
        found.append((route.method, re.compile(pattern + re.escape(route.path[end:]))))
    return found
