"""What the first bytes of a connection say it speaks. Asks for no more bytes than it takes to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from teleport.wire import client_hello, proxy_protocol
from teleport.wire.client_hello import ClientHello
from teleport.wire.errors import Incomplete
from teleport.wire.proxy_protocol import ProxyHeader

MAX_SIZE = max(client_hello.MAX_SIZE, proxy_protocol.MAX_SIZE)

Protocol = Literal["http", "ssh", "postgres", "unknown"]

_STARTS: tuple[tuple[bytes, Protocol], ...] = (
    *(
        (verb + b" ", "http")
        for verb in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE")
    ),
    (b"PRI * HTTP/2", "http"),
    (b"SSH-", "ssh"),
    (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "postgres"),  # SSLRequest
    (b"\x00\x00\x00\x08\x04\xd2\x16\x30", "postgres"),  # GSSENCRequest
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A protocol outside TLS."""

    protocol: Protocol


Opening = ClientHello | ProxyHeader | Plain


def parse(data: bytes) -> Opening | Incomplete:
    """Raises RemoteProtocolError for TLS or PROXY headers that are broken."""
    if data[:1] == b"\x16":
        return client_hello.parse(data)
    header = proxy_protocol.parse(data)
    if header is not None and not (isinstance(header, Incomplete) and not data):
        return header
    needed = 0
    for start, protocol in _STARTS:
        if data.startswith(start):
            return Plain(protocol)
        if start.startswith(data):
            needed = min(needed, len(start)) if needed else len(start)
    return Incomplete(needed if data else 1) if needed else Plain("unknown")
