"""The HTTP server on accepted sockets, and the client, against each other and against rude strangers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from data_plane import Cluster, eventually
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from teleport.credentials import tls_contexts, x509
from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.net.address import Address
from teleport.net.asgi import Receive, Scope, Send
from teleport.net.http_client import HttpClient
from teleport.net.http_server import PEER_CERTIFICATE, HttpLimits, HttpServer
from teleport.net.listener import Accepted, Listener, listen
from teleport.net.sockets import ConnectProxy, proxy_for
from teleport.wire.tls_names import ALPN_HTTP


class App:
    """Answers by path; remembers the scopes it saw."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await self.echo(receive, send)
            return
        path = scope["path"]
        if path == "/wait":
            await self.release.wait()
        body = b""
        if path == "/forever":
            await self.lines(send)
            return
        while path != "/unread":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await send(
            {
                "type": "http.response.start",
                "status": 404 if path == "/missing" else 200,
                "headers": [(b"x-method", scope["method"].encode())],
            }
        )
        await send({"type": "http.response.body", "body": body or path.encode()})

    async def lines(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"line\n", "more_body": True})
            await asyncio.sleep(0.01)

    async def echo(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"]})


class Site:
    """An HttpServer behind a listener."""

    def __init__(self, tls: ssl.SSLContext | None, limits: HttpLimits | None) -> None:
        self.app = App()
        self.server = HttpServer(self.app, limits)
        self.tls = tls
        self.tasks: set[asyncio.Task[None]] = set()
        self.listener = Listener(listen(Address("127.0.0.1", 0)), self.take)
        self.listener.start()

    @property
    def address(self) -> Address:
        return self.listener.addresses[0]

    def take(self, accepted: Accepted) -> None:
        client = Address("203.0.113.9", 4711)
        self.tasks.add(asyncio.get_running_loop().create_task(self.server.serve(accepted.sock, self.tls, client)))


@asynccontextmanager
async def site(tls: ssl.SSLContext | None = None, limits: HttpLimits | None = None) -> AsyncIterator[Site]:
    site = Site(tls, limits)
    try:
        yield site
    finally:
        site.listener.close()
        await site.server.drain(0.1)
        async with asyncio.timeout(20):
            await asyncio.gather(*site.tasks)


@asynccontextmanager
async def client_of(address: Address, **options: object) -> AsyncIterator[HttpClient]:
    client = HttpClient(address, **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


async def test_a_whole_exchange_and_another_on_the_same_connection() -> None:
    async with site() as here, client_of(here.address) as client:
        first = await client.request("POST", "/echo", {"content-type": "text/plain"}, b"body")
        second = await client.request("GET", "/missing", {})
        assert (first.status, first.body, first.headers["x-method"]) == (200, b"body", "POST")
        assert (second.status, second.body) == (404, b"/missing")
        assert here.server.statistics.connections == 1
        assert here.server.statistics.requests == 2
        assert "date" in first.headers
        assert "server" not in first.headers


async def test_many_at_once() -> None:
    async with site() as here, client_of(here.address) as client:
        answers = await asyncio.gather(*(client.request("GET", f"/{number}", {}) for number in range(40)))
        assert [answer.body for answer in answers] == [f"/{number}".encode() for number in range(40)]


async def test_bodies_stream_both_ways() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(200):
            yield bytes([number]) * 10_000

    async with site() as here, client_of(here.address) as client:
        received = 0
        async with client.stream("PUT", "/echo", {}, pieces()) as answer:
            async for piece in answer:
                received += len(piece)
        assert received == 2_000_000


async def test_an_endless_answer_can_be_left() -> None:
    async with site() as here, client_of(here.address) as client:
        async with client.stream("GET", "/forever", {}) as answer:
            seen = b""
            async for piece in answer:
                seen += piece
                if len(seen) > 20:
                    break
        await eventually(lambda: here.server.statistics.connections == 0, "the server notices")
        assert (await client.request("GET", "/next", {})).body == b"/next"


async def test_head_and_empty_answers() -> None:
    async with site() as here, client_of(here.address) as client:
        assert (await client.request("HEAD", "/x", {})).body == b""
        assert (await client.request("GET", "/y", {})).body == b"/y"


async def test_a_connection_closed_while_idle_is_replaced() -> None:
    async with site(limits=HttpLimits(keep_alive=0)) as here, client_of(here.address) as client:
        await client.request("GET", "/a", {})
        await eventually(lambda: here.server.statistics.connections == 0, "closed by the server")
        assert (await client.request("GET", "/b", {})).body == b"/b"


async def test_a_late_answer_is_unavailable() -> None:
    async with site() as here, client_of(here.address) as client:
        with pytest.raises(Unavailable, match="no answer within"):
            await client.request("GET", "/wait", {}, timeout=0.1)
        here.app.release.set()


async def test_nobody_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with client_of(Address("127.0.0.1", port)) as client:
        with pytest.raises(Unavailable, match="refused"):
            await client.request("GET", "/", {})


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        b"",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 500_000,
    ],
)
async def test_a_broken_server_is_unavailable(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, client_of(Address(*server.sockets[0].getsockname())) as client:
        with pytest.raises(Unavailable):
            await client.request("GET", "/", {}, timeout=20)


@pytest.mark.parametrize(("target", "headers"), [("/a b", {}), ("/\r\nx: y", {}), ("/", {"x": "a\r\nb: c"})])
async def test_requests_cannot_be_forged_through_their_parts(target: str, headers: dict[str, str]) -> None:
    async with site() as here, client_of(here.address) as client:
        with pytest.raises(ValueError, match="forge"):
            await client.request("GET", target, headers)


async def test_mutual_tls_tells_the_application_who_calls(cluster: Cluster) -> None:
    chain, key = cluster.host("auth-1", "Auth")
    context = tls_contexts.server_context(
        chain, key, client_ca_pems=(cluster.user_ca.tls.certificate,), alpn=(ALPN_HTTP,)
    )
    user = cluster.user()
    name = f"{cluster.name.encode().hex()}.teleport.cluster.local"
    async with site(context) as here:
        for pair, expected in ((user, x509.to_der(user[0])), (None, None)):
            tls = cluster.client_context(pair, ALPN_HTTP)
            async with client_of(here.address, tls=tls, server_name=name) as client:
                await client.request("GET", "/", {})
                assert here.app.scopes[-1][PEER_CERTIFICATE] == expected
                assert here.app.scopes[-1]["client"] == ("203.0.113.9", 4711)
                assert here.app.scopes[-1]["scheme"] == "https"
        stranger = tls_contexts.client_context((cluster.host_ca.tls.certificate,))
        async with client_of(here.address, tls=stranger, server_name="proxy.teleport.cluster.local") as client:
            with pytest.raises(NotAuthenticated, match="certificate was not accepted"):
                await client.request("GET", "/", {})


async def test_headers_cannot_claim_a_certificate() -> None:
    async with site() as here, client_of(here.address) as client:
        await client.request("GET", "/", {PEER_CERTIFICATE: "forged"})
        assert here.app.scopes[-1][PEER_CERTIFICATE] is None


async def test_websockets_pass_and_carry_the_same_facts() -> None:
    async with site() as here:
        async with connect(f"ws://{here.address}/socket") as websocket:
            await websocket.send(b"ping")
            assert await websocket.recv() == b"ping"
        assert here.app.scopes[-1]["type"] == "websocket"
        assert here.app.scopes[-1][PEER_CERTIFICATE] is None
        assert here.app.scopes[-1]["client"] == ("203.0.113.9", 4711)
        await eventually(lambda: all(task.done() for task in here.tasks), "the connection ended")


async def send_raw(address: Address, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Everything the server says to these bytes, until it closes."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        async with asyncio.timeout(30):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(pause)
            return await reader.read()
    except (ConnectionError, RuntimeError):  # the latter is uvloop's word for it
        return b""
    finally:
        writer.close()


async def test_a_slow_head_is_ended() -> None:
    async with site(limits=HttpLimits(headers=0.2)) as here:
        assert b" 408 " in await send_raw(here.address, b"GET / HTTP/1.1\r\nx: ")
        assert b" 408 " in await send_raw(here.address)
        reader, writer = await asyncio.open_connection(here.address.host, here.address.port)
        async with asyncio.timeout(30):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b" 200 " in await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.write(b"GET /2 HT")
            assert b" 408 " in await reader.read()
        writer.close()


async def test_a_dripping_head_is_ended() -> None:
    async with site(limits=HttpLimits(headers=0.3)) as here:
        dripping = [b"GET / HTTP/1.1\r\n", *([b"x: y\r\n"] * 40)]
        await send_raw(here.address, *dripping, pause=0.02)
        assert not here.app.scopes


async def test_a_long_head_is_refused() -> None:
    async with site(limits=HttpLimits(max_headers=1000)) as here:
        head = b"GET / HTTP/1.1\r\n" + b"x: " + b"a" * 2000 + b"\r\n\r\n"
        assert b" 400 " in await send_raw(here.address, head)
        assert not here.app.scopes
        endless = [b"GET / HTTP/1.1\r\nx: "] + [b"a" * 10_000] * 50
        await send_raw(here.address, *endless)  # ends, mostly by a reset: we read no further
        assert not here.app.scopes
        await eventually(lambda: here.server.statistics.connections == 0, "the connection is closed")


async def test_a_body_that_comes_with_its_head_is_no_part_of_it() -> None:
    """A loop that is busy takes up many kilobytes at once."""
    body = b"a" * 150_000
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.sendall(head + body)
    async with site() as here:
        await here.server.serve(ours, None, Address("203.0.113.9", 4711))
        answer = b""
        while piece := theirs.recv(1 << 20):
            answer += piece
    theirs.close()
    assert b" 200 " in answer.split(b"\r\n", 1)[0]
    assert body in answer


async def test_a_large_body_is_refused() -> None:
    async with site(limits=HttpLimits(max_body=1000)) as here, client_of(here.address) as client:
        assert (await client.request("POST", "/", {}, b"a" * 1001)).status == 413

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b"a" * 100

        async with client_of(here.address) as another:
            answer = await another.request("POST", "/", {}, pieces())
            assert answer.status == 413
        async with client_of(here.address) as another:
            assert (await another.request("POST", "/", {}, b"a" * 1000)).status == 200


async def test_a_stalled_body_is_ended() -> None:
    async with site(limits=HttpLimits(body_idle=0.2)) as here:
        head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf"
        assert b" 408 " in await send_raw(here.address, head)


async def test_garbage_is_refused_and_tells_nothing() -> None:
    async with site() as here:
        answer = await send_raw(here.address, bytes(range(256)) * 4)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


async def test_a_handshake_that_stalls_is_ended(cluster: Cluster) -> None:
    async with site(cluster.web_context(), HttpLimits(handshake=0.2)) as here:
        assert await send_raw(here.address, b"\x16\x03\x01\x02\x00\x01") == b""
        await eventually(lambda: here.server.statistics.failed_handshakes == 1, "counted")


async def test_draining_lets_running_requests_end_and_takes_no_new_ones() -> None:
    async with site() as here, client_of(here.address) as client:
        running = asyncio.get_running_loop().create_task(client.request("GET", "/wait", {}))
        await eventually(lambda: bool(here.app.scopes), "it runs")
        draining = asyncio.get_running_loop().create_task(here.server.drain(5))
        await asyncio.sleep(0)
        async with client_of(here.address) as late:
            with pytest.raises(Unavailable):
                await late.request("GET", "/", {})
        here.app.release.set()
        assert (await running).body == b"/wait"
        await draining


async def test_a_connect_proxy_is_used() -> None:
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.decode())
        host, port = head.split(b" ")[1].rsplit(b":", 1)
        upstream_reader, upstream = await asyncio.open_connection(host.decode(), int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        upstream.write(await reader.read(65536))
        writer.write(await upstream_reader.read(65536))
        writer.close()
        upstream.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = ConnectProxy(Address(*server.sockets[0].getsockname()), "Basic eDp5")
    async with server, site() as here, client_of(here.address, proxy=proxy) as client:
        assert (await client.request("GET", "/through", {})).body == b"/through"
        assert asked[0].startswith(f"CONNECT {here.address} HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic eDp5" in asked[0]


async def test_a_connect_proxy_that_refuses_is_told() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = ConnectProxy(Address(*server.sockets[0].getsockname()))
    async with server, client_of(Address("example.com", 443), proxy=proxy) as client:
        with pytest.raises(Unavailable, match="403 Forbidden"):
            await client.request("GET", "/", {})


@pytest.mark.parametrize(
    ("host", "environment", "expected"),
    [
        ("a.example.com", {}, None),
        ("a.example.com", {"HTTPS_PROXY": "http://p:1"}, Address("p", 1)),
        ("a.example.com", {"https_proxy": "p:1"}, Address("p", 1)),
        ("a.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        ("a.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.example.com, other"}, None),
        ("badexample.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, Address("p", 1)),
        ("a.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("127.0.0.1", {"HTTPS_PROXY": "http://p:1"}, None),
    ],
)
def test_the_environment_names_a_proxy(host: str, environment: dict[str, str], expected: Address | None) -> None:
    found = proxy_for(host, environment)
    assert (found.address if found else None) == expected


async def test_a_refused_websocket_message_does_not_grow() -> None:
    small = HttpLimits(max_websocket_message=1000)
    async with site(limits=small) as here, connect(f"ws://{here.address}/socket") as websocket:
        await websocket.send(b"a" * 2000)
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
