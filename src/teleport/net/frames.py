"""Frames on our own TLS connections: four bytes of length, big endian, then one JSON message of at most 64 KiB."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from teleport.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_FRAME = 64 * 1024
_HEADER = 4

Message = TypeVar("Message")
_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """Raises LocalProtocolError when the message is too large for a frame."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise LocalProtocolError(f"message of {len(body)} bytes does not fit a frame of {MAX_FRAME}")
    return len(body).to_bytes(_HEADER, "big") + body


def body_length(header: bytes) -> int:
    """The length that four bytes announce. Raises RemoteProtocolError past the limit."""
    length = int.from_bytes(header[:_HEADER], "big")
    if length > MAX_FRAME:
        raise RemoteProtocolError(f"a frame of {length} bytes was announced, at most {MAX_FRAME} are allowed")
    return length


class FrameDecoder(Generic[Message]):
    """Cuts a stream into messages of one type (often a union of tagged structs)."""

    __slots__ = ("_buffer", "_decoder")

    def __init__(self, decoder: msgspec.json.Decoder[Message]) -> None:
        self._decoder = decoder
        self._buffer = b""

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, received: bytes) -> list[Message]:
        """The messages now whole, in order. Raises RemoteProtocolError."""
        data = self._buffer + received
        messages: list[Message] = []
        offset = 0
        while len(data) - offset >= _HEADER:
            end = offset + _HEADER + body_length(data[offset : offset + _HEADER])
            if len(data) < end:
                break
            messages.append(self._decode(data[offset + _HEADER : end]))
            offset = end
        self._buffer = data[offset:]
        return messages

    def _decode(self, body: bytes) -> Message:
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise RemoteProtocolError(f"a frame holds no message that is expected here: {problem}") from problem
