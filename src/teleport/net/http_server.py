"""Serves an ASGI application on connections that others accepted: uvicorn's protocols, with limits they lack.

Each request's scope carries `teleport.peer_certificate` (DER bytes, or None) and `client` as the acceptor saw it,
which behind a PROXY header is not the socket's peer. One certificate per connection, never from a header.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from teleport.foundation.logs import get_logger
from teleport.net.address import Address, from_sockname
from teleport.net.asgi import AsgiApp, Receive, Scope, Send
from teleport.net.body_limits import limit_bodies

log = get_logger("net:http")

PEER_CERTIFICATE = "teleport.peer_certificate"

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds and bytes. `body_idle` is the longest wait for the next piece of a request's body."""

    handshake: float = 10.0
    headers: float = 10.0
    keep_alive: int = 65
    body_idle: float = 60.0
    max_headers: int = 64 * 1024
    max_body: int = 64 << 20
    max_websocket_message: int = 1 << 20


@dataclass(slots=True)
class HttpStatistics:
    connections: int = 0
    requests: int = 0
    failed_handshakes: int = 0


class HttpServer:
    """Create inside a running loop. `serve` takes one accepted socket and returns when its connection ended."""

    def __init__(self, app: AsgiApp, limits: HttpLimits | None = None) -> None:
        self.limits = limits or HttpLimits()
        self._state = ServerState()
        self._draining = False
        self._failed_handshakes = 0
        bounded = limit_bodies(app, self.limits.max_body, self.limits.body_idle)
        self._config = Config(
            functools.partial(_with_connection_facts, bounded),
            http=HttpToolsProtocol,
            ws=WebSocketsSansIOProtocol,
            ws_max_size=self.limits.max_websocket_message,
            ws_per_message_deflate=False,  # a small message must not become a large one
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=self.limits.keep_alive,
        )
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # strangers' garbage is no error of ours
        self._config.load()

    @property
    def statistics(self) -> HttpStatistics:
        return HttpStatistics(len(self._state.connections), self._state.total_requests, self._failed_handshakes)

    async def serve(
        self,
        sock: socket.socket,
        tls: ssl.SSLContext | None,
        client: Address | None = None,
        *,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        """Owns the socket from now on; `on_open` is called after the handshake. Never raises for what clients do."""
        if self._draining:
            sock.close()
            return
        connection = _Connection(self._config, self._state, self.limits, client or _peer(sock))
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=tls,
                ssl_handshake_timeout=self.limits.handshake if tls else None,
                ssl_shutdown_timeout=2.0 if tls else None,
            )
        except (OSError, ssl.SSLError, ConnectionError) as problem:
            self._failed_handshakes += 1
            log.debug("handshake failed", client=client, error=problem)
            sock.close()
            return
        except BaseException:
            sock.close()
            raise
        on_open()
        try:
            await connection.ended.wait()
        except asyncio.CancelledError:
            connection.transport.abort()
            raise

    async def drain(self, timeout: float = 30.0) -> None:
        """Refuse new connections, let running requests end, then close what is left."""
        self._draining = True
        for connection in list(self._state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._state.tasks:
                    await asyncio.wait(set(self._state.tasks))
        for task in set(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()


class _Connection(HttpToolsProtocol):
    """Adds to uvicorn's protocol: a limit on time and size of request heads, who the peer is, and when it ended."""

    def __init__(self, config: Config, state: ServerState, limits: HttpLimits, client: Address) -> None:
        self._facts: dict[str, Any] = {"client": client}
        super().__init__(config, state, self._facts)
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_size = 0
        self.ended = asyncio.Event()
        self.ws_protocol_class = functools.partial(_WebSocket, ended=self.ended)  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._facts["certificate"] = tls.getpeercert(binary_form=True) if tls else None
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._head_done()
        self._unset_keepalive_if_required()
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        if self._head_timer is not None:
            if self._head_size > self._limits.max_headers + 64 * 1024:
                self._refuse(_TOO_LARGE)
                return
            self._head_size += len(data)  # looked at with the next piece: this one may hold much of the body too
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._size += len(url)
        self._check_size()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._size += len(name) + len(value)
        self._check_size()

    def on_headers_complete(self) -> None:
        self._head_done()
        _refresh_date(self.server_state)
        super().on_headers_complete()

    def _check_size(self) -> None:
        if self._size > self._limits.max_headers:
            raise ValueError("the head of this request is too long")  # the parser turns it into a 400

    def _await_head(self) -> None:
        self._head_size = 0
        self._head_timer = self.loop.call_later(self._limits.headers, self._refuse, _TOO_SLOW)

    def _head_done(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, answer: bytes) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


class _WebSocket(WebSocketsSansIOProtocol):
    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], *, ended: asyncio.Event
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._ended.set()


async def _with_connection_facts(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Move what the connection knows from uvicorn's per-connection state to the scope."""
    facts = scope.pop("state", {})
    client: Address = facts["client"]
    scope["client"] = (client.host, client.port)
    scope[PEER_CERTIFICATE] = facts.get("certificate")
    scope["state"] = {}
    await app(scope, receive, send)


def _refresh_date(state: ServerState) -> None:
    state.default_headers = [(b"date", formatdate(usegmt=True).encode())]


def _peer(sock: socket.socket) -> Address:
    try:
        return from_sockname(sock.getpeername())
    except OSError:
        return Address("", 0)
