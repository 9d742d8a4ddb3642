"""Passing calls on to auth, as they are: public ones in the proxy's name, a browser's in its session's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from teleport.api.client import Transport
from teleport.api.route import MAX_BODY, ErrorBody, Failure, Route
from teleport.foundation.errors import BadParameter, LimitExceeded, TeleportError

CLIENT_ADDRESS = "teleport-client-addr"
CALL_TIMEOUT = 30.0
_PASSED_BACK = ("content-type", "cache-control")
_PASSED_ON = ("content-type", "accept", "user-agent")
_STATUS_TEXT = re.compile(r"\{(\w+)(:path)?\}")


def refusal(error: TeleportError) -> Response:
    """An error as every answer of the API tells it."""
    failure = Failure(ErrorBody(code=error.code, message=error.message, event_id=error.event_id))
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(failure), error.http_status, headers, "application/json")


def client_address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


async def body_of(request: Request, limit: int = MAX_BODY) -> bytes:
    """Raises LimitExceeded without reading more than `limit` bytes."""
    pieces = bytearray()
    try:
        async for piece in request.stream():
            pieces += piece
            if len(pieces) > limit:
                raise LimitExceeded(f"the request is larger than {limit} bytes")
    except ClientDisconnect:
        raise BadParameter("the request ended early") from None
    return bytes(pieces)


def target_of(request: Request) -> str:
    """Path and query as they came, still percent-encoded."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.split(b"?", 1)[0].decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


async def forward(request: Request, transport: Transport) -> Response:
    """The answer of auth, streamed: a list as it is, a recording or a stream of changes as it comes."""
    body = await body_of(request)
    headers = {name: value for name in _PASSED_ON if (value := request.headers.get(name))}
    headers[CLIENT_ADDRESS] = client_address(request)
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(transport.stream(request.method, target_of(request), headers, body))
        back = {name: value for name in _PASSED_BACK if (value := _headers(answer).get(name))}
        closing = stack.pop_all()

        async def pieces() -> AsyncIterator[bytes]:
            async with closing:
                async for piece in answer:
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
        for field in _STATUS_TEXT.finditer(route.path):
            pattern += re.escape(route.path[end : field.start()]) + (".+" if field[2] else "[^/]+")
            end = field.end()
        found.append((route.method, re.compile(pattern + re.escape(route.path[end:]))))
    return found
