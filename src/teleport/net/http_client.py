"""An asynchronous HTTP/1.1 client for one server: kept-open connections, mutual TLS, streaming both ways.

It satisfies `api.client.Transport`. Short-lived commands use `http.client` instead, which starts faster.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.net.address import Address
from teleport.net.http_connection import Body, ClientConnection, Head
from teleport.net.sockets import CONNECT_TIMEOUT, ConnectProxy, connect

MAX_WHOLE_BODY = 64 << 20
_IDLE_LIMIT = 30.0
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class HttpResponse:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass(slots=True)
class StreamedResponse:
    """An answer whose body comes in pieces; iterate once."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes] = field(repr=False)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.pieces


class HttpClient:
    """HTTP to one server. Raises Unavailable when it cannot be reached, is late, or breaks off.

    `tls` None is plain HTTP; else `server_name` is expected in the certificate (by default the address's host).
    To reach auth through a proxy give a context with ALPN `wire.tls_names.auth_alpn` and its server name.
    """

    def __init__(
        self,
        address: Address,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
        proxy: ConnectProxy | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        max_idle: int = 8,
    ) -> None:
        self.address = address
        self._tls = tls
        self._server_name = server_name or address.host
        self._proxy = proxy
        self._connect_timeout = connect_timeout
        self._max_idle = max_idle
        self._idle: list[ClientConnection] = []
        self._busy: set[ClientConnection] = set()
        self._closed = False

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: Body = b"", *, timeout: float = 30.0
    ) -> HttpResponse:
        """The whole answer, whatever its status."""
        try:
            async with asyncio.timeout(timeout), self.stream(method, target, headers, body) as answer:
                pieces = bytearray()
                async for piece in answer:
                    pieces += piece
                    if len(pieces) > MAX_WHOLE_BODY:
                        raise Unavailable(f"{self.address}: {method} {target}: the answer is too large to keep whole")
                return HttpResponse(answer.status, answer.headers, bytes(pieces))
        except TimeoutError:
            raise Unavailable(f"{self.address}: {method} {target}: no answer within {timeout:g} s") from None

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: Body = b""
    ) -> AsyncIterator[StreamedResponse]:
        """The answer as soon as its head is there. No time limit but the caller's."""
        connection, head = await self._exchange(method, target, headers, body)
        try:
            yield StreamedResponse(head.status, head.headers, connection.pieces())
        finally:
            self._give_back(connection)

    async def close(self) -> None:
        """Close idle connections and abort running exchanges."""
        self._closed = True
        for connection in [*self._idle, *self._busy]:
            connection.abort()
        self._idle.clear()

    async def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: Body
    ) -> tuple[ClientConnection, Head]:
        while True:
            connection, is_fresh = await self._take()
            try:
                return connection, await connection.exchange(self._head(method, target, headers, body), method, body)
            except Unavailable:
                self._busy.discard(connection)
                connection.abort()
                # the server may have closed a kept-open connection just as we wrote; ask anew where that is harmless
                if is_fresh or connection.has_answered or method not in _IDEMPOTENT or not isinstance(body, bytes):
                    raise
            except BaseException:
                self._busy.discard(connection)
                connection.abort()
                raise

    def _head(self, method: str, target: str, headers: Mapping[str, str], body: Body) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"host: {self.address}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if isinstance(body, AsyncIterable):
            lines.append("transfer-encoding: chunked")
        elif body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"content-length: {len(body)}")
        text = "\r\n".join(lines)
        if any(mark in line for line in lines for mark in "\r\n\0") or " " in target:
            raise ValueError("a line break in a header, or a space in a target, would forge a request")
        return f"{text}\r\n\r\n".encode("latin-1")

    async def _take(self) -> tuple[ClientConnection, bool]:
        if self._closed:
            raise Unavailable(f"{self.address}: this client is closed")
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable(_IDLE_LIMIT):
                self._busy.add(connection)
                return connection, False
            connection.abort()
        connection = await self._open()
        self._busy.add(connection)
        return connection, True

    async def _open(self) -> ClientConnection:
        sock = await connect(self.address, timeout=self._connect_timeout, proxy=self._proxy)
        connection = ClientConnection(str(self.address))
        try:
            async with asyncio.timeout(self._connect_timeout):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=self._tls,
                    server_hostname=self._server_name if self._tls else None,
                )
        except ssl.SSLCertVerificationError as problem:
            raise NotAuthenticated(
                f"{self.address}: its certificate was not accepted: {problem.verify_message}"
            ) from problem
        except TimeoutError:
            raise Unavailable(f"{self.address}: TLS handshake not finished in {self._connect_timeout:g} s") from None
        except OSError as problem:
            raise Unavailable(f"{self.address}: {problem.strerror or problem}") from problem
        return connection

    def _give_back(self, connection: ClientConnection) -> None:
        self._busy.discard(connection)
        if not self._closed and len(self._idle) < self._max_idle and connection.is_reusable(_IDLE_LIMIT):
            self._idle.append(connection)
        else:
            connection.abort()
