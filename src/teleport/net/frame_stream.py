"""Messages over a TLS connection, one after the other."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

import msgspec

from teleport.foundation.errors import Unavailable
from teleport.net import frames
from teleport.net.tls import TlsConnection
from teleport.wire.errors import RemoteProtocolError

Message = TypeVar("Message")


async def receive_one(tls: TlsConnection, decoder: msgspec.json.Decoder[Message], *, timeout: float) -> Message:
    """The next message and no byte behind it. Raises Unavailable, RemoteProtocolError."""
    try:
        async with asyncio.timeout(timeout):
            length = frames.body_length(await tls.read_exactly(4))
            body = await tls.read_exactly(length)
    except TimeoutError:
        raise Unavailable(f"no message came within {timeout:g} s") from None
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise RemoteProtocolError(f"a frame holds no message that is expected here: {problem}") from problem


class FrameStream(Generic[Message]):
    """Receives messages of one type and sends any; one task receives, any may send."""

    def __init__(self, tls: TlsConnection, decoder: msgspec.json.Decoder[Message]) -> None:
        self._tls = tls
        self._decoder = frames.FrameDecoder(decoder)
        self._ready: list[Message] = []

    async def receive(self) -> Message | None:
        """The next message; None when the peer closed properly."""
        while not self._ready:
            data = await self._tls.read()
            if not data:
                return None
            self._ready = self._decoder.feed(data)[::-1]
        return self._ready.pop()

    async def send(self, message: msgspec.Struct) -> None:
        await self._tls.write(frames.encode(message))

    async def close(self) -> None:
        await self._tls.close()
