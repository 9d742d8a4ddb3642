"""Serves Routes: an ASGI application from bindings of Routes to coroutines.

`admit` learns who calls and refuses before anything of the request is read. Requests are decoded strictly and within
limits; every failure is `{"error": {...}}` with the status of its kind; what we did not foresee is logged and told
to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from teleport.api.messages import BYTES_TYPE, JSON_TYPE, decode_call
from teleport.api.route import ErrorBody, Failure, Route, Shape
from teleport.foundation.errors import BadParameter, LimitExceeded, NotFound, TeleportError
from teleport.foundation.logs import get_logger

log = get_logger("api")

Caller = TypeVar("Caller")

PEER_CERTIFICATE = "teleport.peer_certificate"
"""Key of the ASGI scope: the client's certificate in DER, or absent."""
BODY_TIMEOUT = 30.0
KEEP_ALIVE = 15.0
LINES_TYPE = "application/jsonlines"
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_JSON_HEADERS = [
    (b"content-type", JSON_TYPE.encode()),
    *((name.encode(), value.encode()) for name, value in _HEADERS.items()),
]


class Peer(msgspec.Struct, frozen=True):
    """The other end of a connection as the transport saw it, and the headers it sent (names in lower case)."""

    address: str
    certificate: bytes
    headers: Mapping[str, str]


class Binding(msgspec.Struct, Generic[Caller], frozen=True):
    """A Route and what answers it.

    JSON, BODY and TEXT routes return their Response; LINES routes an iterator of Responses, DOWNLOAD routes of bytes.
    """

    route: Route[Any, Any]
    answer: Callable[[Caller, Any], Awaitable[Any]]


Admit = Callable[[Peer, Route[Any, Any]], Awaitable[Caller]]


def application(bindings: Sequence[Binding[Caller]], admit: Admit[Caller]) -> Starlette:
    """The API. Raises ValueError when two bindings answer the same method and path."""
    seen: set[tuple[str, str]] = set()
    for binding in bindings:
        key = (binding.route.method, binding.route.path)
        if key in seen:
            raise ValueError(f"{key[0]} {key[1]} is bound twice")
        seen.add(key)
    ordered = sorted(bindings, key=lambda binding: "{" in binding.route.path)
    routes = [
        HttpRoute(binding.route.path, _Endpoint(binding, admit), methods=[binding.route.method])
        for binding in ordered
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _unrouted})


class _Endpoint(Generic[Caller]):
    """Answers one Route as an ASGI application."""

    def __init__(self, binding: Binding[Caller], admit: Admit[Caller]) -> None:
        self._binding = binding
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except ClientDisconnect:
            return
        except TeleportError as error:
            response = failure_response(error)
        except Exception as error:
            log.error("call failed", method=scope["method"], route=self._binding.route.path, error=error)
            response = failure_response(TeleportError("internal error; the log of the auth service has the cause"))
        if isinstance(response, bytes):
            await _send_json(send, response)
        else:
            await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> HttpResponse | bytes:
        route = self._binding.route
        caller = await self._admit(_peer(scope), route)
        body = await _read_body(scope, receive, route.max_body) if route.method in ("POST", "PUT") else b""
        query = scope["query_string"].decode("latin-1")
        request = decode_call(route, scope.get("path_params", {}), query, body)
        answer = await self._binding.answer(caller, request)
        match route.shape:
            case Shape.LINES:
                return StreamingResponse(json_lines(answer), media_type=LINES_TYPE, headers=_HEADERS)
            case Shape.DOWNLOAD:
                return StreamingResponse(answer, media_type=BYTES_TYPE, headers=_HEADERS)
            case Shape.TEXT:
                return HttpResponse(answer.text, media_type="text/plain", headers=_HEADERS)
            case _:
                return msgspec.json.encode(answer)


def failure_response(error: TeleportError) -> HttpResponse:
    """The HTTP form of an error."""
    body = msgspec.json.encode(Failure(ErrorBody(error.code, error.message, error.event_id)))
    headers = dict(_HEADERS)
    if isinstance(error, LimitExceeded):
        headers["retry-after"] = "3"
    return HttpResponse(body, error.http_status, headers, JSON_TYPE)


async def json_lines(answers: AsyncIterator[msgspec.Struct], interval: float = KEEP_ALIVE) -> AsyncIterator[bytes]:
    """Each answer as a line; an empty line for every `interval` seconds of silence; a failure as the last line."""
    try:
        async for answer in _with_pauses(answers, interval):
            yield msgspec.json.encode(answer) + b"\n" if answer is not None else b"\n"
    except TeleportError as error:
        yield msgspec.json.encode(Failure(ErrorBody(error.code, error.message, error.event_id))) + b"\n"
    except Exception as error:
        log.error("stream failed", error=error)
        yield msgspec.json.encode(Failure(ErrorBody(TeleportError.code, "internal error"))) + b"\n"


async def _with_pauses(
    answers: AsyncIterator[msgspec.Struct], interval: float
) -> AsyncIterator[msgspec.Struct | None]:
    """The answers, and None for each `interval` without one."""
    following: asyncio.Task[msgspec.Struct] | None = None
    try:
        while True:
            # kept across pauses: cancelling it would break the iterator
            following = following or asyncio.get_running_loop().create_task(_next(answers))
            done, _ = await asyncio.wait({following}, timeout=interval)
            if not done:
                yield None
                continue
            task, following = following, None
            try:
                answer = task.result()
            except _Ended:
                return
            yield answer
    finally:
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
        close = getattr(answers, "aclose", None)
        if close is not None:
            await close()


class _Ended(Exception):
    """The iterator is exhausted; a task cannot carry StopAsyncIteration."""


async def _next(answers: AsyncIterator[msgspec.Struct]) -> msgspec.Struct:
    try:
        return await anext(answers)
    except StopAsyncIteration:
        raise _Ended from None


def _peer(scope: Scope) -> Peer:
    client = scope.get("client")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Peer(client[0] if client else "", scope.get(PEER_CERTIFICATE) or b"", headers)


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not announced.isdigit() or int(announced) > limit:
        raise LimitExceeded(f"the request body is above the limit of {limit} bytes")
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                size += len(piece)
                if size > limit:
                    raise LimitExceeded(f"the request body is above the limit of {limit} bytes")
                pieces.append(piece)
                if not message.get("more_body", False):
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError:
        raise BadParameter(f"the request body did not arrive within {BODY_TIMEOUT:g} seconds") from None


async def _send_json(send: Send, body: bytes) -> None:
    headers = [*_JSON_HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _unrouted(request: HttpRequest, error: Exception) -> HttpResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        response = failure_response(BadParameter(f"{request.method} is not answered at this address"))
        response.status_code = 405
        return response
    return failure_response(NotFound("there is nothing at this address"))
