"""The doors that strangers knock at, behind real sockets: whatever they send, nothing breaks and others are served.

A crash shows as a failed task, an error in the log, a connection that nobody ends, memory that grows, or an honest
caller who is not served afterwards.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auth_cluster import auth_cluster
from browser_side import Wire, web_app
from proxy_world import World, node, role, singletons

from fuzzing.mutation import mutate
from fuzzing.targets import HEADERS, HELLOS
from teleport.net import frames
from teleport.net.address import Address
from teleport.net.connection_limits import ConnectionLimits
from teleport.net.tls import TlsConnection
from teleport.proxy.service import ProxyLimits
from teleport.tunnel.messages import AgentHello, DataHello, DialRequest
from teleport.wire.tls_names import ALPN_DIAL, ALPN_TUNNEL, ALPN_TUNNEL_DATA, PROXY_SERVER_NAME

GROWTH = 64 << 20
_PATIENCE = 1.0
_AT_ONCE = 8
_WEB1 = "11111111-1111-4111-8111-111111111111"
_sources = itertools.count(1)


def _kex_init() -> bytes:
    lists = (
        b"curve25519-sha256,ext-info-c", b"ssh-ed25519-cert-v01@openssh.com,ssh-ed25519", b"aes128-gcm@openssh.com",
        b"aes128-gcm@openssh.com", b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b"",
    )  # fmt: skip
    return _packet(b"\x14" + bytes(16) + b"".join(map(_string, lists)) + bytes(5))


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _packet(body: bytes) -> bytes:
    """Before keys are exchanged."""
    padding = 4 + -(len(body) + 9) % 8
    return (len(body) + padding + 1).to_bytes(4, "big") + bytes((padding,)) + body + bytes(padding)


_POST = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_CSRF = b"0123456789abcdef" * 4
_OWN_PAGE = b"\r\nX-CSRF-Token: %s\r\nCookie: __Host-csrf=%s\r\n\r\n" % (_CSRF, _CSRF)
_LOGIN = b'{"user":"alice","pass":"a wrong password"}'
_PASSKEY = b'{"id":"YQ","rawId":"YQ","type":"public-key","response":{"clientDataJSON":"e30"}}'
_KEY = b"c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSU1BdGFtYVNwdTgzVDJ0TmFQY0xDQWlRbjJtekxGN0I="
_PROVED = b'{"webauthn_challenge_response":%s,"ssh_pub_key":"%s"}' % (_PASSKEY, _KEY)
_ENTERED = b'{"user":"","webauthnAssertionResponse":%s}' % _PASSKEY
HTTP = (
    b"GET /webapi/ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /web/login HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-session=" + b"a" * 64 + b"; __Host-csrf=b\r\n\r\n",
    b"GET /v1/resources/node?limit=1&labels=%7B%7D HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
    b"Cookie: __Host-session=" + b"0" * 64 + b"\r\nOrigin: https://localhost\r\n\r\n",
    b"GET /webapi/users/password/token/" + b"0" * 32 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /web/assets/../../index.html HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\n\r\n",
    b"POST /webapi/host/credentials HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n0\r\n\r\n",
    b"GET /web HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x05hello",
    _POST % (b"/webapi/mfa/login/begin", len(_LOGIN), _LOGIN),
    _POST % (b"/webapi/mfa/login/finish", len(_PROVED), _PROVED),
    (_POST % (b"/webapi/sessions/web", len(_ENTERED), _ENTERED)).replace(b"\r\n\r\n", _OWN_PAGE, 1),
)  # fmt: skip
SSH = (
    b"SSH-2.0-OpenSSH_9.2\r\n" + _kex_init(),
    b"SSH-2.0-x\r\n" + _kex_init() + _kex_init(),
    b"SSH-2.0-x\r\n" + _kex_init() + _packet(b"\x1e" + _string(b"\x09" + bytes(31))),
    b"SSH-1.5-old\n",
    b"\r\n" * 20 + b"SSH-2.0-late\r\n",
)


@dataclass
class Door:
    """`send` says something and listens; `is_served` asks as an honest caller; `open_count` counts who is in."""

    name: str
    seeds: tuple[bytes, ...]
    send: Callable[[bytes], Awaitable[None]]
    is_served: Callable[[], Awaitable[bool]]
    open_count: Callable[[], int]


@dataclass
class Troubles(logging.Handler):
    """What must not happen, as it happens."""

    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.ERROR)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.getMessage()} {getattr(record, 'fields', '')}")

    def on_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        told = context.get("exception") or context.get("task")
        self.found.append(f"{context.get('message')}: {told!r}")


async def knock(door: Door, seconds: float, seed: int) -> list[str]:
    """Changed openings for a while, several at once. What went wrong."""
    dice, troubles, loop = random.Random(seed), Troubles(), asyncio.get_running_loop()
    logging.getLogger("teleport").addHandler(troubles)
    loop.set_exception_handler(troubles.on_loop)
    try:
        for data in door.seeds:
            await door.send(data)
        gc.collect()
        before, end = _resident(), time.monotonic() + seconds
        while time.monotonic() < end and not troubles.found:
            inputs = [mutate(dice.choice(door.seeds), door.seeds, dice) for _ in range(_AT_ONCE)]
            await asyncio.gather(*map(door.send, inputs))
        await _all_gone(door, troubles)
        gc.collect()
        if (grown := _resident() - before) > GROWTH:
            troubles.found.append(f"memory grew by {grown >> 20} MiB")
        if not await door.is_served():
            troubles.found.append("an honest caller is not served any more")
    finally:
        loop.set_exception_handler(None)
        logging.getLogger("teleport").removeHandler(troubles)
    return [f"{door.name} (seed {seed}): {trouble}" for trouble in troubles.found]


async def _all_gone(door: Door, troubles: Troubles) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(15):
            while door.open_count():
                await asyncio.sleep(0.05)
    if left := door.open_count():
        troubles.found.append(f"{left} connections are never ended")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def connected(address: Address) -> socket.socket:
    """From an address of its own, as limits go by it."""
    number = next(_sources)
    sock = socket.socket(proto=socket.IPPROTO_TCP)
    sock.setblocking(False)
    sock.bind((f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}", 0))
    await asyncio.get_running_loop().sock_connect(sock, tuple(address))
    return sock


async def bare(address: Address, data: bytes) -> None:
    """Send and hear all that is said, for a moment."""
    sock = await connected(address)
    loop = asyncio.get_running_loop()
    try:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await loop.sock_sendall(sock, data)
                sock.shutdown(socket.SHUT_WR)
                while await loop.sock_recv(sock, 65536):
                    pass
    finally:
        sock.close()


async def _in_tls(address: Address, context: ssl.SSLContext, name: str, data: bytes) -> None:
    tls = await TlsConnection.connect(await connected(address), context, name)
    try:
        with suppress(Exception):
            async with asyncio.timeout(_PATIENCE):
                await tls.write(data)
                while await tls.read():
                    pass
    finally:
        tls.abort()


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def proxy_doors(directory: Path) -> AsyncIterator[list[Door]]:
    """A proxy with its web application in front of a whole auth service."""
    world = World([node(_WEB1, "web1"), role("access"), *singletons()])
    limits = ProxyLimits(connections=ConnectionLimits(), prove_within=5.0, drain=0.5)
    async with auth_cluster(directory) as cluster:
        web = await web_app(cluster, Wire())
        async with world.running(limits=limits, web=web.app) as proxy:
            yield _proxy_doors(world, lambda: proxy.counter.open)
        web.close()


def _proxy_doors(world: World, open_count: Callable[[], int]) -> list[Door]:
    address = world.address

    async def answers() -> bool:
        tls = await TlsConnection.connect(await connected(address), _trusting(), "localhost")
        await tls.write(HTTP[0])
        answer = await tls.read()
        tls.abort()
        return answer.startswith(b"HTTP/1.1 200")

    def frames_to(alpn: str, pair: tuple[str, str]) -> Callable[[bytes], Awaitable[None]]:
        context = world.cluster.client_context(pair, alpn)
        return lambda data: _in_tls(address, context, PROXY_SERVER_NAME, data)

    context, user, host = _trusting(), world.cluster.user(), world.cluster.host(_WEB1)
    hello, data_hello = AgentHello(host_id=_WEB1, cluster="example"), DataHello(_WEB1, "a", "b")
    return [
        Door(
            "the port",
            (*HELLOS, *HEADERS, *HTTP[:2], *SSH[:1]),
            lambda data: bare(address, data),
            answers,
            open_count,
        ),
        Door("the web side", HTTP, lambda data: _in_tls(address, context, "localhost", data), answers, open_count),
        Door("dials", (frames.encode(DialRequest(target="web1")),), frames_to(ALPN_DIAL, user), answers, open_count),
        Door("agents", (frames.encode(hello),), frames_to(ALPN_TUNNEL, host), answers, open_count),
        Door(
            "data connections", (frames.encode(data_hello),), frames_to(ALPN_TUNNEL_DATA, host), answers, open_count
        ),
    ]
