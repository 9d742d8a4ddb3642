"""The PROXY protocol, versions 1 (a line) and 2 (binary): who the client is when a load balancer stands in between.

Source: "The PROXY protocol, versions 1 & 2", sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from teleport.wire.errors import Incomplete, LocalProtocolError, RemoteProtocolError

MAX_SIZE = 8192

V1_START = b"PROXY "
V2_START = b"\r\n\r\n\x00\r\nQUIT\n"

_MAX_LINE = 107
_V2_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESS_SIZE = {_TCP4: 4, _TCP6: 16}
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`source` and `destination` are None when the balancer speaks for itself (health checks) or does not know.

    `length` counts the header's bytes; what follows them is the connection.
    """

    version: Literal[1, 2]
    length: int
    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None
    extensions: tuple[tuple[int, bytes], ...] = ()


def parse(data: bytes) -> ProxyHeader | Incomplete | None:
    """The header at the start of `data`; None when there is none. Raises RemoteProtocolError."""
    if data.startswith(V1_START):
        return _parse_line(data)
    if data.startswith(V2_START):
        return _parse_binary(data)
    for start in (V1_START, V2_START):
        if start.startswith(data[: len(start)]):
            return Incomplete(len(start))
    return None


def encode_v1(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    family = "TCP6" if ":" in source[0] else "TCP4"
    if (":" in destination[0]) != (family == "TCP6"):
        raise LocalProtocolError("both addresses of a PROXY header are of one family")
    return f"PROXY {family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()


def encode_v2(
    source: tuple[str, int], destination: tuple[str, int], extensions: Sequence[tuple[int, bytes]] = ()
) -> bytes:
    try:
        addresses = [ipaddress.ip_address(host) for host, _ in (source, destination)]
    except ValueError as problem:
        raise LocalProtocolError(f"PROXY header: {problem}") from problem
    if addresses[0].version != addresses[1].version:
        raise LocalProtocolError("both addresses of a PROXY header are of one family")
    body = b"".join(address.packed for address in addresses)
    body += source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
    for kind, value in extensions:
        body += bytes((kind,)) + len(value).to_bytes(2, "big") + value
    if _V2_FIXED + len(body) > MAX_SIZE:
        raise LocalProtocolError(f"a PROXY header of {len(body)} bytes: at most {MAX_SIZE} are allowed")
    family = _TCP4 if addresses[0].version == 4 else _TCP6
    return V2_START + bytes((_PROXY, family)) + len(body).to_bytes(2, "big") + body


def _parse_line(data: bytes) -> ProxyHeader | Incomplete:
    end = data.find(b"\r\n", 0, _MAX_LINE)
    if end < 0:
        if len(data) >= _MAX_LINE or b"\n" in data or b"\r" in data[:-1]:
            raise RemoteProtocolError("a PROXY line without its end")
        return Incomplete(len(data) + 1)
    length = end + 2
    words = data[len(V1_START) : end].split(b" ")
    if words[0] == b"UNKNOWN":
        return ProxyHeader(1, length)
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        raise RemoteProtocolError("a PROXY line must name TCP4, TCP6 or UNKNOWN, two addresses and two ports")
    version = 4 if words[0] == b"TCP4" else 6
    source = (_host(words[1], version), _port(words[3]))
    return ProxyHeader(1, length, source, (_host(words[2], version), _port(words[4])))


def _host(word: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise RemoteProtocolError("a PROXY line with an address that is none") from None
    if address.version != version or "%" in str(address):
        raise RemoteProtocolError("a PROXY line with an address of the other family")
    return str(address)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > _MAX_PORT:
        raise RemoteProtocolError("a PROXY line with a port that is none")
    return int(word)


def _parse_binary(data: bytes) -> ProxyHeader | Incomplete:
    if len(data) < _V2_FIXED:
        return Incomplete(_V2_FIXED)
    command, family = data[12], data[13]
    length = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise RemoteProtocolError(f"a PROXY header of unknown version and command {command:#x}")
    if length > MAX_SIZE:
        raise RemoteProtocolError(f"a PROXY header of {length} bytes was announced, at most {MAX_SIZE} are allowed")
    if len(data) < length:
        return Incomplete(length)
    size = _ADDRESS_SIZE.get(family)
    if command == _LOCAL or size is None:
        return ProxyHeader(2, length)
    body = data[_V2_FIXED:length]
    fixed = 2 * size + 4
    if len(body) < fixed:
        raise RemoteProtocolError("a PROXY header too short for its addresses")
    source = (str(ipaddress.ip_address(body[:size])), int.from_bytes(body[2 * size : 2 * size + 2], "big"))
    destination = (
        str(ipaddress.ip_address(body[size : 2 * size])),
        int.from_bytes(body[2 * size + 2 : fixed], "big"),
    )
    return ProxyHeader(2, length, source, destination, _extensions(body[fixed:]))


def _extensions(data: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    offset = 0
    while offset < len(data):
        size = int.from_bytes(data[offset + 1 : offset + 3], "big")
        end = offset + 3 + size
        if offset + 3 > len(data) or end > len(data):
            raise RemoteProtocolError("an extension of a PROXY header is longer than what is left of it")
        found.append((data[offset], data[offset + 3 : end]))
        offset = end
    return tuple(found)
