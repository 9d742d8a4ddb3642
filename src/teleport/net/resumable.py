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
        self._is_running = False
        """Whether the inner side is carried."""
        self._waiters: list[asyncio.Future[None]] = []
        self._carrier: socket.socket | None = None
        self._lost: asyncio.Future[str] | None = None
        """How the connection was lost; None while nothing is carried."""
        self._reads_inner = self._reads_carrier = False
        """Whether a side is read; it is not while there is no room for what it says."""
        self._is_writing = self._is_sending = False
        """Whether a task has what goes inwards, or to the carrier, in its hands: nothing may overtake it."""
        self._heard = 0.0
        self.is_over = asyncio.Event()
        """Both sides have ended."""

    async def run(self) -> None:
        """Until both sides have ended. Cancelled, it gives the stream up."""
        self._is_running = True
        self._tell()
        try:
            await self._write_inner()
        finally:
            self._is_running = False
            self._read_inner(is_wanted=False)
            self._inner.close()
        self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await self._until(lambda: not self._stream.outbox)
        self.is_over.set()
        self._tell()

    async def carry(self, carrier: socket.socket, first: bytes = b"", *, is_first: bool = False) -> str:
        """Until the connection is lost (the answer says how) or the stream is over (empty).

        `first` came already; `is_first`: nothing was ever carried before.
        """
        carrier.setblocking(False)
        self._stream.begin(is_first=is_first)
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()
        self._carrier, self._lost, self._heard = carrier, lost, loop.time()
        tasks = [loop.create_task(work) for work in (self._write_carrier(carrier), self._watch())]
        ending = loop.create_task(self._end())
        try:
            self._take(first)
            self._tell()
            awaited: list[asyncio.Future[None] | asyncio.Future[str]] = [*tasks, ending, lost]
            done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if ending in done:
                return ""
            if lost in done:
                return lost.result()
            return next(str(task.exception() or "ended") for task in tasks if task in done)
        finally:
            self._read_carrier(is_wanted=False)
            self._lost = None
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)
            self._stream.lose()
            self._carrier, self._is_sending = None, False
            carrier.close()

    async def _end(self) -> None:
        await self.is_over.wait()

    # -- what comes, at once: a key that is typed wakes no task

    def _read_inner(self, *, is_wanted: bool) -> None:
        if is_wanted != self._reads_inner:
            self._reads_inner = is_wanted
            _listen(self._inner, self._hear_inner if is_wanted else None)

    def _read_carrier(self, *, is_wanted: bool) -> None:
        if is_wanted != self._reads_carrier and self._carrier is not None:
            self._reads_carrier = is_wanted
            _listen(self._carrier, self._hear_carrier if is_wanted else None)

    def _hear_inner(self) -> None:
        try:
            data = self._inner.recv(MAX_DATA)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._stream.send(data)
        else:
            self._stream.finish()
        if not self._stream.may_send:
            self._read_inner(is_wanted=False)
        self._send_at_once()
        self._tell()

    def _hear_carrier(self) -> None:
        carrier = self._carrier
        if carrier is None:
            return
        try:
            data = carrier.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._lose(problem)
            return
        if data:
            self._take(data)
        else:
            self._lose(ConnectionResetError("the connection was closed"))

    def _take(self, data: bytes) -> None:
        """What came from the carrier."""
        if not data:
            return
        self._heard = asyncio.get_running_loop().time()
        try:
            self._waiting += self._stream.feed(data)
        except RemoteProtocolError as problem:
            self._lose(problem)
            return
        self._write_at_once()
        self._send_at_once()
        if not self._has_room():
            self._read_carrier(is_wanted=False)
        self._tell()

    def _lose(self, problem: Exception) -> None:
        self._read_carrier(is_wanted=False)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(str(problem) or "ended")

    # -- what does not pass at once

    async def _write_inner(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until(lambda: bool(self._waiting) or self._stream.peer_has_finished)
            if not self._waiting:
                break
            data = bytes(self._waiting)
            self._waiting.clear()
            self._is_writing = True
            self._tell()
            with contextlib.suppress(OSError):  # nobody reads any more: the end of the other direction tells
                await loop.sock_sendall(self._inner, data)
            self._is_writing = False
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)
        if not self._stream.has_finished:
            self._stream.finish()

    async def _write_carrier(self, carrier: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until(lambda: bool(self._stream.outbox))
            data = bytes(self._stream.outbox)
            self._is_sending = True
            await loop.sock_sendall(carrier, data)
            self._is_sending = False
            del self._stream.outbox[: len(data)]
            self._tell()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._pings or self._silence / 4)
            silent = loop.time() - self._heard
            if silent > self._silence:
                raise RemoteProtocolError(SILENT)
            if self._pings and silent >= self._pings / 2:
                self._stream.ping()
                self._tell()

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

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _tell(self) -> None:
        """Wake those who wait, and read on where there is room again. While all passes at once nobody is woken."""
        stream = self._stream
        if self._waiting or stream.outbox or stream.has_finished or stream.peer_has_finished:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if not self._reads_inner and self._is_running and stream.may_send:
            self._read_inner(is_wanted=True)
        if not self._reads_carrier and self._lost is not None and not self._lost.done() and self._has_room():
            self._read_carrier(is_wanted=True)


def _listen(sock: socket.socket, hear: Callable[[], None] | None) -> None:
    loop = asyncio.get_running_loop()
    if hear is not None:
        loop.add_reader(sock, hear)
    else:
        loop.remove_reader(sock)
