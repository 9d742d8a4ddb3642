"""The first message of a TLS connection, read without answering it: which name is asked for, which protocols offered.

Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3 (server_name), RFC 7301 (ALPN).
"""

from __future__ import annotations

from dataclasses import dataclass

from teleport.wire.errors import Incomplete, RemoteProtocolError

MAX_SIZE = 16 * 1024

_RECORD_HEADER = 5
_MESSAGE_HEADER = 4
_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_ALPN = 16
_HOST_NAME = 0
_MAX_RECORD = 16 * 1024
_FIXED = 2 + 32  # legacy version and random


@dataclass(frozen=True, slots=True)
class ClientHello:
    """Nothing in it is proven: it chooses a door, it opens none. `server_name` is in lower case, empty if absent."""

    server_name: str = ""
    alpn: tuple[str, ...] = ()


def parse(data: bytes) -> ClientHello | Incomplete:
    """The ClientHello at the start of `data`, be it cut into several records. Raises RemoteProtocolError."""
    message = b""
    offset = 0
    while True:
        if len(data) < offset + _RECORD_HEADER:
            _check_start(data[offset:])
            return Incomplete(offset + _RECORD_HEADER)
        end = offset + _RECORD_HEADER + _record_length(data, offset)
        if end > MAX_SIZE:
            raise RemoteProtocolError(f"a ClientHello of more than {MAX_SIZE} bytes")
        if len(data) < end:
            return Incomplete(end)
        message += data[offset + _RECORD_HEADER : end]
        offset = end
        if len(message) >= _MESSAGE_HEADER:
            if message[0] != _CLIENT_HELLO:
                raise RemoteProtocolError(f"handshake message {message[0]} where a ClientHello belongs")
            size = _MESSAGE_HEADER + int.from_bytes(message[1:4], "big")
            if size > MAX_SIZE:
                raise RemoteProtocolError(f"a ClientHello of {size} bytes was announced")
            if len(message) >= size:
                return _parse_body(_Reader(message[_MESSAGE_HEADER:size]))


def _check_start(start: bytes) -> None:
    if start[:1] not in (b"", b"\x16") or start[1:2] not in (b"", b"\x03"):
        raise RemoteProtocolError("not a TLS handshake")


def _record_length(data: bytes, offset: int) -> int:
    _check_start(data[offset : offset + _RECORD_HEADER])
    length = int.from_bytes(data[offset + 3 : offset + _RECORD_HEADER], "big")
    if not 0 < length <= _MAX_RECORD:
        raise RemoteProtocolError(f"a TLS record of {length} bytes")
    return length


class _Reader:
    """Reads length-prefixed fields within bounds."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._offset

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise RemoteProtocolError("a field of the ClientHello is longer than what is left of it")
        self._offset += size
        return self._data[self._offset - size : self._offset]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int) -> _Reader:
        return _Reader(self.take(self.number(length_size)))

    def rest(self) -> bytes:
        return self.take(self.left)


def _parse_body(body: _Reader) -> ClientHello:
    body.take(_FIXED)
    body.vector(1)  # legacy session id
    body.vector(2)  # cipher suites
    body.vector(1)  # compression methods
    server_name = ""
    alpn: tuple[str, ...] = ()
    extensions = body.vector(2) if body.left else _Reader(b"")
    while extensions.left:
        kind = extensions.number(2)
        content = extensions.vector(2)
        if kind == _SERVER_NAME:
            server_name = _server_name(content)
        elif kind == _ALPN:
            alpn = _protocols(content)
    return ClientHello(server_name, alpn)


def _server_name(content: _Reader) -> str:
    names = content.vector(2)
    while names.left:
        kind = names.number(1)
        name = names.vector(2).rest()
        if kind == _HOST_NAME:
            return _text(name).lower()
    return ""


def _protocols(content: _Reader) -> tuple[str, ...]:
    names = content.vector(2)
    protocols = []
    while names.left:
        protocols.append(_text(names.vector(1).rest()))
    return tuple(protocols)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # ALPN names may be any bytes (RFC 8701 sends such); they match nothing of ours
