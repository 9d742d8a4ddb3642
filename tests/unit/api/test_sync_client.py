"""The client of short-lived commands over real sockets: names, proxies, kept connections, refusals."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from teleport.api.endpoint import HttpsProxy
from teleport.api.route import Empty, Route, Shape
from teleport.api.sync_client import Address, SyncClient
from teleport.credentials import x509
from teleport.credentials.keys import PrivateKey
from teleport.credentials.tls_contexts import client_context, server_context
from teleport.foundation.errors import AccessDenied, NotAuthenticated, Unavailable

NAME = "proxy.teleport.cluster.local"
KEY = PrivateKey.generate("ecdsa-p256")
CERTIFICATE = x509.issue_server([NAME], KEY, datetime.now(UTC))  # noqa: TID251 - the real clock of real TLS


class Said(msgspec.Struct, frozen=True):
    word: str = ""


SAY = Route("GET", "/say", Empty, Said)
DENY = Route("GET", "/deny", Empty, Said)
COUNT = Route("GET", "/count", Empty, Said, shape=Shape.LINES)
ANSWERS = {
    b"/say": (200, b'{"word":"hello"}'),
    b"/deny": (403, b'{"error":{"code":"access_denied","message":"no","event_id":"7"}}'),
    b"/count": (200, b'{"word":"0"}\n\n{"word":"1"}\n'),
}


class Server:
    """Answers from the table, over TLS; `connections` counts; a lazy one closes after each answer."""

    def __init__(self, *, lazy: bool = False) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._context = server_context(CERTIFICATE, KEY.pem(), alpn=("http/1.1",))
        self._lazy = lazy
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        self.first_lines: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            if raw.recv(7, socket.MSG_PEEK) == b"CONNECT":
                self.first_lines.append(_head(raw))
                raw.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            with self._context.wrap_socket(raw, server_side=True) as tls:
                while head := _head(tls):
                    status, body = ANSWERS[head.split(b" ")[1]]
                    tls.sendall(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
                    if self._lazy:
                        return
        except OSError:
            return


def _head(sock: Any) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(1)
        if not piece:
            return b""
        data += piece
    return data


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def client(port: int, *, name: str = NAME, way: HttpsProxy | None = None) -> SyncClient:
    address = Address(host="127.0.0.1", port=port, server_name=name, through=way)
    return SyncClient(address, client_context([CERTIFICATE]))


def test_calls_share_one_connection(server: Server) -> None:
    with client(server.port) as api:
        assert api.call(SAY, Empty()).word == "hello"
        assert api.call(SAY, Empty()).word == "hello"
        assert [line.word for line in api.lines(COUNT, Empty())] == ["0", "1"]
        with pytest.raises(AccessDenied) as refused:
            api.call(DENY, Empty())
    assert refused.value.event_id == "7"
    assert server.connections == 1


def test_a_connection_that_ended_while_idle_is_opened_again() -> None:
    lazy = Server(lazy=True)
    with client(lazy.port) as api:
        assert [api.call(SAY, Empty()).word for _ in range(3)] == ["hello"] * 3
    assert lazy.connections == 3
    lazy.close()


def test_the_certificate_must_have_the_name_that_is_meant(server: Server) -> None:
    with (
        client(server.port, name="auth.teleport.cluster.local") as api,
        pytest.raises(NotAuthenticated, match="trusted"),
    ):
        api.call(SAY, Empty())


def test_goes_through_an_https_proxy(server: Server) -> None:
    way = HttpsProxy("127.0.0.1", server.port, "Basic abc")
    address = Address(host="cluster.example.com", port=3080, server_name=NAME, through=way)
    with SyncClient(address, client_context([CERTIFICATE])) as api:
        assert api.call(SAY, Empty()).word == "hello"
    (head,) = server.first_lines
    assert head.startswith(b"CONNECT cluster.example.com:3080 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic abc" in head


def test_nobody_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with client(port) as api, pytest.raises(Unavailable, match=str(port)):
        api.call(SAY, Empty())


def test_a_stranger_speaking_no_tls_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            raw, _ = listening.accept()
            raw.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            raw.close()

        threading.Thread(target=answer, daemon=True).start()
        with client(listening.getsockname()[1]) as api, pytest.raises(Unavailable):
            api.call(SAY, Empty())


def test_is_quick_to_import() -> None:
    import subprocess
    import sys

    code = "import sys, teleport.api.sync_client; print('asyncio' in sys.modules, 'starlette' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
