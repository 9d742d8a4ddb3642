"""One client connection of HTTP/1.1: a request out, an answer in, and again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import httptools

from teleport.foundation.errors import Unavailable

Body = bytes | AsyncIterable[bytes]

_MAX_HEAD = 64 * 1024
_HIGH_WATER = 256 * 1024


@dataclass(slots=True)
class Head:
    """Status and headers; names in lower case, repeated ones joined by commas."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


class ClientConnection(asyncio.Protocol):
    """Created per connection by HttpClient; holds at most 256 KiB of an unread answer."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._failure: str = ""
        self._writable = asyncio.Event()
        self._writable.set()
        self._last_used = self._loop.time()
        self._start("GET")
        self._is_complete = True

    def _start(self, method: str) -> None:
        self._method = method
        self._headers: dict[str, str] = {}
        self._head: Head | None = None
        self._head_size = 0
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._is_complete = False
        self._keep_alive = False
        self._changed = asyncio.Event()
        self.has_answered = False

    def is_reusable(self, idle_limit: float) -> bool:
        """Open, its last answer read to the end, and used within the last `idle_limit` seconds."""
        return (
            self._is_complete
            and not self._failure
            and not self._buffered
            and (self._keep_alive or self._head is None)
            and self._transport is not None
            and not self._transport.is_closing()
            and self._loop.time() - self._last_used < idle_limit
        )

    def abort(self) -> None:
        self._fail("the exchange was given up")
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, head: bytes, method: str, body: Body) -> Head:
        """Send a request and wait for the head of its answer. Raises Unavailable."""
        self._start(method)
        if isinstance(body, bytes):
            await self._write(head + body)
        else:
            await self._write(head)
            await self._send_pieces(body)
        while self._head is None:
            self._check()
            self._changed.clear()
            await self._changed.wait()
        return self._head

    async def pieces(self) -> AsyncIterator[bytes]:
        """The answer's body. Raises Unavailable when it breaks off."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._buffered -= len(piece)
                if self._buffered < _HIGH_WATER and self._transport is not None and not self._failure:
                    self._transport.resume_reading()
                yield piece
            if self._is_complete:
                self._last_used = self._loop.time()
                return
            self._check()
            self._changed.clear()
            await self._changed.wait()

    async def _send_pieces(self, body: AsyncIterable[bytes]) -> None:
        async for piece in body:
            if self._head is not None:
                break  # answered early: a refusal; the connection will not be used again
            if piece:
                await self._write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            await self._write(b"0\r\n\r\n")
            return
        self._keep_alive = False

    async def _write(self, data: bytes) -> None:
        self._check()
        assert self._transport is not None
        self._transport.write(data)
        await self._writable.wait()

    def _check(self) -> None:
        if self._failure and self._head is None:
            raise Unavailable(f"{self._peer}: {self._failure}")
        if self._failure and not self._is_complete:
            raise Unavailable(f"{self._peer}: the answer broke off: {self._failure}")

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._changed.set()
        self._writable.set()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports have its methods, not its type

    def data_received(self, data: bytes) -> None:
        if self._is_complete:
            self._fail("it sent what nobody asked for")
            self.abort()
            return
        self.has_answered = True
        if self._head is None:
            self._head_size += len(data)
            if self._head_size > _MAX_HEAD + _HIGH_WATER:
                self._fail("the head of its answer is too long")
                self.abort()
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self._fail(f"its answer is not HTTP: {problem}")
            self.abort()
        except httptools.HttpParserUpgrade:
            self._fail("it switched to another protocol")
            self.abort()

    def connection_lost(self, problem: Exception | None) -> None:
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self._head is not None and not framed and problem is None:
            self._is_complete = True  # an answer that ends with its connection
        self._keep_alive = False
        self._fail(f"connection lost: {problem}" if problem else "it closed the connection")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # what the parser calls

    def on_message_begin(self) -> None:
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # an interim answer; the real one follows
        self._head = Head(status, self._headers)
        self._keep_alive = self._parser.should_keep_alive()
        if self._method == "HEAD":
            self._is_complete = True
            self._keep_alive = False  # the parser waits for a body that never comes
        self._changed.set()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._buffered += len(body)
        if self._buffered > _HIGH_WATER and self._transport is not None:
            self._transport.pause_reading()
        self._changed.set()

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._is_complete = True
            self._last_used = self._loop.time()
            self._changed.set()
