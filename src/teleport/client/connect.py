"""Blocking TCP to a proxy, straight or through the HTTP proxy that the environment names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import NamedTuple

from teleport.client.profile import join_address, split_proxy
from teleport.foundation.errors import Unavailable

TIMEOUT = 10.0
_MAX_HEAD = 16 * 1024


def connect(host: str, port: int, timeout: float = TIMEOUT) -> socket.socket:
    """A connected socket with that timeout. Raises Unavailable."""
    through = http_proxy_for(host, os.environ)
    address = join_address(host, port)
    try:
        if through is None:
            # as bytes: the name of a text goes through the IDNA codec, whose tables take a millisecond to load
            sock = socket.create_connection((host.encode() if host.isascii() else host, port), timeout)  # type: ignore[arg-type]
        else:
            sock = _tunnel(through, address, timeout)
    except OSError as problem:
        reason = problem.strerror or str(problem) or "timed out"
        way = f" through the HTTP proxy {join_address(through.host, through.port)}" if through else ""
        raise Unavailable(f"cannot connect to {address}{way}: {reason.lower()}") from problem
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class HttpProxy(NamedTuple):
    """`account` is `name:password` as the URL has it, or empty."""

    host: str
    port: int
    account: str = ""


def http_proxy_for(host: str, environment: Mapping[str, str]) -> HttpProxy | None:
    """The HTTP proxy that HTTPS_PROXY names, unless NO_PROXY exempts the host or it is this machine."""
    url = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    if not url or host == "localhost" or host.startswith("127.") or host == "::1":
        return None
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    for rule in (word.strip().lstrip(".").lower() for word in exempt.split(",")):
        if rule == "*" or (rule and (host.lower() == rule or host.lower().endswith(f".{rule}"))):
            return None
    account, _, place = (url.partition("://")[2] if "://" in url else url).rpartition("@")
    name, port = split_proxy(place)
    return HttpProxy(name, port or 3128, account)


def _tunnel(proxy: HttpProxy, address: str, timeout: float) -> socket.socket:
    sock = socket.create_connection((proxy.host, proxy.port), timeout)
    try:
        head_line = f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n"
        sock.sendall(f"{head_line}{_authorization(proxy.account)}\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = sock.recv(1)  # not one byte of what follows the head may be taken
            if not piece or len(head) > _MAX_HEAD:
                raise OSError(0, "the HTTP proxy closed the connection")
            head += piece
        words = head.split(b"\r\n", 1)[0].split(None, 2)
        if len(words) < 2 or words[1] != b"200":
            raise OSError(0, f"the HTTP proxy refused: {head.splitlines()[0].decode(errors='replace')}")
    except BaseException:
        sock.close()
        raise
    return sock


def _authorization(account: str) -> str:
    if not account:
        return ""
    import base64
    from urllib.parse import unquote

    name, _, password = account.partition(":")
    pair = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return f"Proxy-Authorization: Basic {pair}\r\n"
