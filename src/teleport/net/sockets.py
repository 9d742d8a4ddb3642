"""Options every TCP socket of ours carries, and opening one: directly or through a CONNECT proxy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from teleport.foundation.errors import BadParameter, Unavailable
from teleport.net.address import Address

CONNECT_TIMEOUT = 10.0
EVERYWHERE = ("", "0.0.0.0", "::")
"""Hosts that mean every address of this machine, for listening."""

_KEEPALIVE_IDLE = 60
_KEEPALIVE_INTERVAL = 15
_KEEPALIVE_COUNT = 4
_MAX_PROXY_ANSWER = 16 * 1024


@dataclass(frozen=True, slots=True)
class ConnectProxy:
    """An HTTP proxy that opens tunnels; `authorization` is the header's value, empty for none."""

    address: Address
    authorization: str = ""


def proxy_for(host: str, environment: Mapping[str, str]) -> ConnectProxy | None:
    """What HTTPS_PROXY names for `host`, unless NO_PROXY or being this machine exempts it. Raises BadParameter."""
    url = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if not url or _is_exempt(host.lower().rstrip("."), exempt.lower()):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise BadParameter(f"HTTPS_PROXY for {host}: expected a URL like http://proxy.example.com:3128")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return ConnectProxy(Address(parts.hostname, parts.port or 3128), authorization)


def _is_exempt(host: str, exempt: str) -> bool:
    if host in ("localhost", "::1") or host.startswith("127."):
        return True
    for entry in exempt.replace(",", " ").split():
        suffix = entry.lstrip("*").lstrip(".")
        if entry == "*" or (suffix and (host == suffix or host.endswith(f".{suffix}"))):
            return True
    return False


def tune(sock: socket.socket) -> None:
    """Non-blocking, no waiting for more to send, and a peer that is gone is noticed within two minutes."""
    sock.setblocking(False)
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):  # the peer may be gone already: reading will tell
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", _KEEPALIVE_IDLE),
            ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL),
            ("TCP_KEEPCNT", _KEEPALIVE_COUNT),
        ):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def own_ip_towards(address: Address) -> str:
    """This machine's IP as a peer at `address` would see it; nothing is sent. Raises Unavailable."""
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(name)
            return str(probe.getsockname()[0])
    except OSError as problem:
        raise Unavailable(f"{address}: no way there from this machine: {problem.strerror or problem}") from problem


async def connect(
    address: Address, *, timeout: float = CONNECT_TIMEOUT, proxy: ConnectProxy | None = None
) -> socket.socket:
    """A tuned socket connected to `address`. Raises Unavailable."""
    first_hop = proxy.address if proxy else address
    try:
        async with asyncio.timeout(timeout):
            sock = await _connect_any(first_hop)
            if proxy:
                await _ask_for_tunnel(sock, address, proxy)
            return sock
    except TimeoutError:
        raise Unavailable(f"{first_hop}: no connection within {timeout:g} s") from None


async def _connect_any(address: Address) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError as problem:
        raise Unavailable(f"{address.host}: name not found: {problem.strerror or problem}") from problem
    failure: OSError | None = None
    for family, kind, protocol, _, name in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as problem:
            failure = problem
            continue
        try:
            tune(sock)
            await loop.sock_connect(sock, name)
        except OSError as problem:
            sock.close()
            failure = problem
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    reason = os.strerror(failure.errno) if failure and failure.errno else str(failure or "it has no address")
    raise Unavailable(f"{address}: cannot connect: {reason}") from failure


async def _ask_for_tunnel(sock: socket.socket, address: Address, proxy: ConnectProxy) -> None:
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            # byte by byte: what follows the answer belongs to the server behind the proxy
            byte = await loop.sock_recv(sock, 1)
            answer += byte
            if not byte or len(answer) > _MAX_PROXY_ANSWER:
                raise Unavailable(f"proxy {proxy.address} gave no answer to CONNECT {address}")
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"]:
            first = answer.splitlines()[0].decode("latin-1")
            raise Unavailable(f"proxy {proxy.address} refused CONNECT {address}: {first}")
    except OSError as problem:
        sock.close()
        raise Unavailable(f"proxy {proxy.address}: connection lost: {problem.strerror or problem}") from problem
    except BaseException:
        sock.close()
        raise


def state_of(sock: socket.socket) -> Literal["idle", "readable", "ended"]:
    """Whether a non-blocking socket has bytes to read, has ended or failed, or neither; consumes nothing."""
    try:
        return "readable" if sock.recv(1, socket.MSG_PEEK) else "ended"
    except (BlockingIOError, InterruptedError):
        return "idle"
    except OSError:
        return "ended"
