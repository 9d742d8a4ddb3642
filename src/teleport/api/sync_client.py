"""The API for short-lived commands: `http.client` over TLS, no event loop, quick to import.

One connection, kept open between calls, opened again when it broke before a call that may be repeated.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TypeVar

import msgspec

from teleport.api.client import CALL_TIMEOUT, MAX_LINE, PAGE, decode_line
from teleport.api.endpoint import HttpsProxy
from teleport.api.messages import HttpCall, address_name, decode_answer, encode_call, failure
from teleport.api.route import Request, Response, Route
from teleport.api.routes import resources as routes
from teleport.foundation.errors import NotAuthenticated, NotFound, TeleportError, Unavailable
from teleport.model.codec import decode_json, encode_json
from teleport.model.resource import Resource

R = TypeVar("R", bound=Resource)

CONNECT_TIMEOUT = 10.0
_PIECE = 64 << 10


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect, what name the certificate must have (default: the host), and the way there."""

    host: str
    port: int
    server_name: str = ""
    through: HttpsProxy | None = None


class _Connection(http.client.HTTPSConnection):
    """An HTTPS connection whose certificate is checked against `server_name`, not against the address."""

    def __init__(self, address: Address, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(address.host, address.port, timeout=timeout, context=context)
        self._address = address
        self._context_for_names = context
        self._timeout = timeout

    def connect(self) -> None:
        way = self._address.through
        target = (way.host, way.port) if way else (self._address.host, self._address.port)
        raw = socket.create_connection(target, timeout=CONNECT_TIMEOUT)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if way:
                _ask_for_tunnel(raw, way, self._address)
            name = self._address.server_name or self._address.host
            self.sock = self._context_for_names.wrap_socket(raw, server_hostname=name)
            self.sock.settimeout(self._timeout)
        except BaseException:
            raw.close()
            raise


def _ask_for_tunnel(raw: socket.socket, way: HttpsProxy, address: Address) -> None:
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"Host: {host}:{address.port}"]
    if way.authorization:
        lines.append(f"Proxy-Authorization: {way.authorization}")
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = raw.recv(1) if len(answer) < 16384 else b""  # a byte at a time: what follows belongs to TLS
        if not piece:
            raise Unavailable(f"the HTTPS proxy {way.host}:{way.port} closed the connection")
        answer += piece
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or status[1] != b"200":
        text = answer.split(b"\r\n", 1)[0].decode("latin-1", "replace")
        raise Unavailable(f"the HTTPS proxy {way.host}:{way.port} refused: {text}")


class SyncClient:
    """The API of one cluster as the identity in `context` (or as nobody). Use it as a context manager."""

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> None:
        self._address = address
        self._connection = _Connection(address, context, timeout)
        self._headers = dict(headers or {})

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def call(self, route: Route[Request, Response], request: Request) -> Response:
        """Raises one of the nine errors: what the server refused with, or Unavailable."""
        answer = self._send(encode_call(route, request))
        try:
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        return decode_answer(route, answer.status, body)

    def download(self, route: Route[Request, Response], request: Request) -> Iterator[bytes]:
        """The answer's bytes in pieces as they come."""
        answer = self._send(encode_call(route, request))
        try:
            if answer.status >= 400:
                raise failure(answer.status, answer.read())
            while piece := answer.read1(_PIECE):
                yield piece
            answer.close()  # read to its end: the connection is good for more
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            if not answer.isclosed():
                self._connection.close()

    def lines(self, route: Route[Request, Response], request: Request) -> Iterator[Response]:
        """The answer's lines as they come; keep-alive lines are passed over."""
        pending = b""
        for piece in self.download(route, request):
            *complete, pending = (pending + piece).split(b"\n")
            if len(pending) > MAX_LINE:
                raise Unavailable(f"{route.path}: a line of more than {MAX_LINE} bytes")
            for line in complete:
                if line.strip():
                    yield decode_line(route, line)

    def list(self, kind: type[R], **criteria: object) -> list[R]:
        """All resources of a kind that match (fields of ListResources), page by page."""
        found: list[R] = []
        start = ""
        while True:
            fields = {"limit": PAGE, **criteria, "kind": kind.KIND, "start": start}
            page = self.call(routes.LIST, msgspec.convert(fields, routes.ListResources))
            found.extend(decode_json(item, kind) for item in page.items)
            start = page.next_start
            if not start:
                return found

    def get(self, kind: type[R], name: str) -> R:
        """Raises NotFound."""
        return decode_json(
            self.call(routes.GET, routes.ResourceName(kind.KIND, address_name(kind, name))).resource, kind
        )

    def find(self, kind: type[R], name: str) -> R | None:
        try:
            return self.get(kind, name)
        except NotFound:
            return None

    def create(self, resource: R) -> R:
        """Raises AlreadyExists."""
        request = routes.CreateResource(resource.kind, msgspec.Raw(encode_json(resource)))
        return decode_json(self.call(routes.CREATE, request).resource, type(resource))

    def put(self, resource: R, *, must_exist: bool = False) -> R:
        """Create or replace; a revision in it must be the present one. Raises RevisionConflict."""
        body = msgspec.Raw(encode_json(resource))
        request = routes.PutResource(resource.kind, address_name(type(resource), resource.key), body, must_exist)
        return decode_json(self.call(routes.PUT, request).resource, type(resource))

    def delete(self, kind: type[Resource], name: str) -> None:
        """Raises NotFound."""
        self.call(routes.DELETE, routes.DeleteResource(kind.KIND, address_name(kind, name)))

    def _send(self, call: HttpCall) -> http.client.HTTPResponse:
        headers = {**self._headers, "content-type": call.content_type}
        reused = self._connection.sock is not None
        try:
            return self._exchange(call, headers)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            # a kept connection that ended unanswered was closed by the other side while idle
            if not (reused and isinstance(error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionError)):
                raise self._unreachable(error) from error
        try:
            return self._exchange(call, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _exchange(self, call: HttpCall, headers: dict[str, str]) -> http.client.HTTPResponse:
        self._connection.request(call.method, call.target, call.body or None, headers)
        return self._connection.getresponse()

    def _unreachable(self, error: Exception) -> TeleportError:
        self._connection.close()
        where = f"{self._address.host}:{self._address.port}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return NotAuthenticated(f"{where}: its certificate is not trusted: {error.verify_message}")
        if isinstance(error, ssl.SSLError) and error.reason == "TLSV1_ALERT_INTERNAL_ERROR":
            return Unavailable(f"{where} cannot reach the auth service now: try again later")
        return Unavailable(f"{where} cannot be reached: {error or type(error).__name__}")
