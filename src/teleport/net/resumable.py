"""Joins a socket of this process to a resumable stream, over one connection after the other.

The process behind the inner socket notices nothing of lost connections but a pause. Bytes that were taken from a
connection are written to the inner socket whatever becomes of the connection, so none is lost or comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from teleport.wire.errors import RemoteProtocolError
from teleport.wire.resumption import LIMIT, MAX_DATA, ResumableStream

_READ = 256 * 1024
_MOST_WAITING = 1024 * 1024
_MOST_UNSENT = 2 * LIMIT
"""More than all that may be kept for the other side. Past it, it makes us answer and does not read."""
SILENT = "no answer in time"
"""How a connection was lost that nobody closed."""
_PARTING = 10.0
"""Seconds for the other side to say that it has seen the end."""


class ResumablePipe:
    """Owns the inner socket. `run` carries the inner side; `carry` one connection after the other."""

    def __init__(self, inner: socket.socket, *, pings: float = 0.0, silence: float = 60.0) -> None:
        """`pings`: ask every so many seconds, 0 for never; `silence`: after so many the connection is dead."""
        inner.setblocking(False)
        self._inner = inner
        self._stream = ResumableStream()
        self._pings = pings
        self._silence = silence
        self._waiting = bytearray()
        self._changed = asyncio.Condition()
        self._carrier: socket.socket | None = None
        self._is_pressed = False
        """Whether a side waits for room."""
        self._is_writing = self._is_sending = False
        """Whether a task has what goes inwards, or to the carrier, in its hands: nothing may overtake it."""
        self._heard = 0.0
        self.is_over = asyncio.Event()
        """Both sides have ended."""

    async def run(self) -> None:
        """Until both sides have ended. Cancelled, it gives the stream up."""
        reading = asyncio.get_running_loop().create_task(self._read_inner())
        try:
            await self._write_inner()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._inner.close()
        await self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await self._until(lambda: not self._stream.outbox)
        self.is_over.set()
        await self._tell()

    async def carry(self, carrier: socket.socket, first: bytes = b"", *, is_first: bool = False) -> str:
        """Until the connection is lost (the answer says how) or the stream is over (empty).

        `first` came already; `is_first`: nothing was ever carried before.
        """
        carrier.setblocking(False)
        self._stream.begin(is_first=is_first)
        self._carrier = carrier
        self._heard = asyncio.get_running_loop().time()
        tasks = [
            asyncio.get_running_loop().create_task(work)
            for work in (self._read_carrier(carrier, first), self._write_carrier(carrier), self._watch())
        ]
        ending = asyncio.get_running_loop().create_task(self._end())
        try:
            done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
            if ending in done:
                return ""
            return next(str(task.exception() or "ended") for task in done)
        finally:
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)
            self._stream.lose()
            self._carrier, self._is_sending = None, False
            carrier.close()

    async def _end(self) -> None:
        await self.is_over.wait()

    async def _read_inner(self) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            await self._unless_full(lambda: self._stream.may_send)
            try:
                data = await loop.sock_recv(self._inner, MAX_DATA)
            except OSError:
                data = b""
            if data:
                self._stream.send(data)
            else:
                self._stream.finish()
            self._send_at_once()
            await self._tell()

    async def _write_inner(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until(lambda: bool(self._waiting) or self._stream.peer_has_finished)
            if not self._waiting:
                break
            data = bytes(self._waiting)
            self._waiting.clear()
            self._is_writing = True
            await self._tell()
            with contextlib.suppress(OSError):  # nobody reads any more: the end of the other direction tells
                await loop.sock_sendall(self._inner, data)
            self._is_writing = False
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)
        if not self._stream.has_finished:
            self._stream.finish()

    async def _read_carrier(self, carrier: socket.socket, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        data = first
        while True:
            if data:
                self._heard = loop.time()
                self._waiting += self._stream.feed(data)
                self._write_at_once()
                self._send_at_once()
                await self._tell()
            await self._unless_full(self._has_room)
            data = await loop.sock_recv(carrier, _READ)
            if not data:
                raise ConnectionResetError("the connection was closed")

    async def _write_carrier(self, carrier: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until(lambda: bool(self._stream.outbox))
            data = bytes(self._stream.outbox)
            self._is_sending = True
            await loop.sock_sendall(carrier, data)
            self._is_sending = False
            del self._stream.outbox[: len(data)]
            await self._tell()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._pings or self._silence / 4)
            silent = loop.time() - self._heard
            if silent > self._silence:
                raise RemoteProtocolError(SILENT)
            if self._pings and silent >= self._pings / 2:
                self._stream.ping()
                await self._tell()

    def _write_at_once(self) -> None:
        """What the inner side takes without waiting; its task does the rest."""
        if self._waiting and not self._is_writing:
            with contextlib.suppress(OSError):
                del self._waiting[: self._inner.send(self._waiting)]

    def _send_at_once(self) -> None:
        outbox = self._stream.outbox
        if outbox and self._carrier is not None and not self._is_sending:
            with contextlib.suppress(OSError):  # whoever reads from it is told
                del outbox[: self._carrier.send(outbox)]

    def _has_room(self) -> bool:
        return len(self._waiting) < _MOST_WAITING and len(self._stream.outbox) < _MOST_UNSENT

    async def _unless_full(self, has_room: Callable[[], bool]) -> None:
        if has_room():
            return
        async with self._changed:
            while not has_room():
                self._is_pressed = True
                await self._changed.wait()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        if is_so():
            return
        async with self._changed:
            await self._changed.wait_for(is_so)

    async def _tell(self) -> None:
        """Wake those who wait. While all passes at once there is nothing for them."""
        stream = self._stream
        if self._is_pressed or self._waiting or stream.outbox or stream.has_finished or stream.peer_has_finished:
            self._is_pressed = False
            async with self._changed:
                self._changed.notify_all()
