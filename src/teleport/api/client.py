"""Calls any Route, typed by it: `Client` for daemons, over an asynchronous transport.

`sync_client.SyncClient` offers the same calls to short-lived commands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import msgspec

from teleport.api.json_value import read_json
from teleport.api.messages import address_name, decode_answer, encode_call, failure
from teleport.api.route import Request, Response, Route
from teleport.api.routes import resources as routes
from teleport.foundation.errors import NotFound, Unavailable
from teleport.model.codec import decode_json, encode_json
from teleport.model.resource import Resource

R = TypeVar("R", bound=Resource)

CALL_TIMEOUT = 30.0
MAX_LINE = 4 << 20
PAGE = 1000


class Answer(Protocol):
    """A whole answer."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class StreamedAnswer(Protocol):
    """An answer whose body comes in pieces."""

    @property
    def status(self) -> int: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """HTTP to one server, over connections kept open. Raises Unavailable when it cannot be reached in time."""

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer: ...

    def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[StreamedAnswer]: ...

    async def close(self) -> None: ...


class Client:
    """The API of one cluster as one identity, that of the transport's certificate.

    Every call raises one of the nine errors: what the server refused with, or Unavailable.
    """

    def __init__(self, transport: Transport, headers: Mapping[str, str] | None = None) -> None:
        self._transport = transport
        self._headers = dict(headers or {})

    async def call(
        self, route: Route[Request, Response], request: Request, *, timeout: float = CALL_TIMEOUT
    ) -> Response:
        call = encode_call(route, request)
        headers = {**self._headers, "content-type": call.content_type}
        answer = await self._transport.request(call.method, call.target, headers, call.body, timeout=timeout)
        return decode_answer(route, answer.status, answer.body)

    async def download(self, route: Route[Request, Response], request: Request) -> AsyncIterator[bytes]:
        """The answer's bytes in pieces, for routes of the shape DOWNLOAD."""
        call = encode_call(route, request)
        async with self._transport.stream(call.method, call.target, self._headers, call.body) as answer:
            if answer.status >= 400:
                raise failure(answer.status, b"".join([piece async for piece in answer]))
            async for piece in answer:
                yield piece

    async def lines(self, route: Route[Request, Response], request: Request) -> AsyncIterator[Response]:
        """The answer's lines as they come, for routes of the shape LINES; keep-alive lines are passed over."""
        pending = b""
        async for piece in self.download(route, request):
            *complete, pending = (pending + piece).split(b"\n")
            if len(pending) > MAX_LINE:
                raise Unavailable(f"{route.path}: a line of more than {MAX_LINE} bytes")
            for line in complete:
                if line.strip():
                    yield decode_line(route, line)

    async def list(self, kind: type[R], **criteria: object) -> list[R]:
        """All resources of a kind that match (fields of ListResources), page by page."""
        found: list[R] = []
        start = ""
        while True:
            request = msgspec.convert(
                {"limit": PAGE, **criteria, "kind": kind.KIND, "start": start}, routes.ListResources
            )
            page = await self.call(routes.LIST, request)
            found.extend(decode_json(item, kind) for item in page.items)
            start = page.next_start
            if not start:
                return found

    async def get(self, kind: type[R], name: str) -> R:
        """Raises NotFound."""
        answer = await self.call(routes.GET, routes.ResourceName(kind.KIND, address_name(kind, name)))
        return decode_json(answer.resource, kind)

    async def find(self, kind: type[R], name: str) -> R | None:
        try:
            return await self.get(kind, name)
        except NotFound:
            return None

    async def create(self, resource: R) -> R:
        """Raises AlreadyExists."""
        request = routes.CreateResource(resource.kind, msgspec.Raw(encode_json(resource)))
        return decode_json((await self.call(routes.CREATE, request)).resource, type(resource))

    async def put(self, resource: R, *, must_exist: bool = False) -> R:
        """Create or replace; a revision in it must be the present one. Raises RevisionConflict."""
        request = routes.PutResource(
            resource.kind, address_name(type(resource), resource.key), msgspec.Raw(encode_json(resource)), must_exist
        )
        return decode_json((await self.call(routes.PUT, request)).resource, type(resource))

    async def delete(self, kind: type[Resource], name: str) -> None:
        """Raises NotFound."""
        await self.call(routes.DELETE, routes.DeleteResource(kind.KIND, address_name(kind, name)))

    async def close(self) -> None:
        await self._transport.close()


def decode_line(route: Route[Request, Response], line: bytes) -> Response:
    """One line of a stream; a line that carries an error ends the stream with it."""
    if line.startswith(b'{"error":'):
        raise failure(0, line)
    try:
        return msgspec.json.decode(line, type=route.response, dec_hook=read_json)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{route.path}: a line is not what was expected: {error}") from error
