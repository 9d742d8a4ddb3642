"""Descriptors on the event loop: reading one as fast as its reader bears, writing one as fast as it takes.

Both bound what they hold: a reader stops while anybody holds it, a writer tells when it is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Callable

from teleport.foundation.errors import Unavailable

READ_SIZE = 512 << 10
TERMINAL_READ = 4096
TERMINAL_TURN = 128 << 10
WRITE_HIGH = 256 << 10
FRESH_ROOM = 64 << 10
"""Bytes that find room in a pipe as the kernel makes it."""
INPUT_ROOM = 1 << 20
OUTPUT_ROOM = 512 << 10
"""Bytes that find room in a program's input and output once these were full. A user has so many in all, so that
programs which move little are left with what the kernel gives."""


class DescriptorReader:
    """Gives everything a descriptor yields to `deliver`, until `ended`. Owns the descriptor.

    Reading stops while anyone holds it. A terminal ends with an error where a pipe ends with nothing. A pipe that was
    full grows to `room`.
    """

    def __init__(
        self, descriptor: int, deliver: Callable[[bytes], None], *, is_terminal: bool = False, room: int = FRESH_ROOM
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._deliver = deliver
        self._read = self._read_terminal if is_terminal else self._read_pipe
        self._room = room
        self._holds: set[str] = set()
        self._is_registered = False
        self._is_closed = False
        self._is_last_call = False
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(descriptor, False)
        self._settle()

    def hold(self, reason: str) -> None:
        """Stop reading until every reason has been released."""
        self._holds.add(reason)
        self._settle()

    def release(self, reason: str) -> None:
        self._holds.discard(reason)
        self._settle()

    def finish(self) -> None:
        """Nothing new is expected: end as soon as what is there has been read."""
        self._is_last_call = True
        self._loop.call_soon(self._last_read)

    def close(self) -> None:
        """Stop for good and close the descriptor."""
        if not self._is_closed:
            self._is_closed = True
            self._settle()
            os.close(self._descriptor)
            if not self.ended.done():
                self.ended.set_result(None)

    def _settle(self) -> None:
        wanted = not self._holds and not self._is_closed
        if wanted and not self._is_registered:
            self._loop.add_reader(self._descriptor, self._readable)
        elif self._is_registered and not wanted:
            self._loop.remove_reader(self._descriptor)
        self._is_registered = wanted
        if wanted and self._is_last_call:
            self._loop.call_soon(self._last_read)

    def _readable(self) -> None:
        if not self._holds and not self._is_closed and (data := self._read()):
            self._deliver(data)

    def _last_read(self) -> None:
        """After `finish`: read on until nothing is there, or until somebody holds."""
        while not self._holds and not self._is_closed:
            data = self._read()
            if not data:
                self.close()
                return
            self._deliver(data)

    def _read_pipe(self) -> bytes:
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.close()
        elif len(data) >= FRESH_ROOM < self._room:
            widen(self._descriptor, self._room)
            self._room = 0
        return data

    def _read_terminal(self) -> bytes:
        """A terminal yields at most 4 KiB a call: gather a turn's worth."""
        pieces: list[bytes] = []
        size = 0
        while size < TERMINAL_TURN:
            try:
                piece = os.read(self._descriptor, TERMINAL_READ)
            except BlockingIOError:
                break
            except OSError as error:
                if not pieces and error.errno == errno.EIO:
                    self.close()
                break
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
            if len(piece) < TERMINAL_READ // 4:
                break  # light traffic: spare the call that finds nothing
        return b"".join(pieces)


class DescriptorWriter:
    """Writes to a descriptor what it takes, and keeps the rest in order. Owns the descriptor.

    `on_full` asks to be given no more until `on_drained`. A reader that went away swallows everything. A pipe that
    did not take all grows to `room`.
    """

    def __init__(
        self,
        descriptor: int,
        on_full: Callable[[], None],
        on_drained: Callable[[], None],
        *,
        room: int = FRESH_ROOM,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._on_full = on_full
        self._on_drained = on_drained
        self._room = room
        self._waiting = bytearray()
        self._is_waiting = False
        self._is_ending = False
        self._is_closed = False
        self._is_full = False
        os.set_blocking(descriptor, False)

    def write(self, data: bytes) -> None:
        if self._is_closed or self._is_ending:
            return
        if not self._is_waiting:
            written = self._try(data)
            if written < len(data) and self._room > FRESH_ROOM:
                widen(self._descriptor, self._room)
                self._room = 0
                written += self._try(memoryview(data)[written:])
            if written == len(data):
                return
            self._waiting += memoryview(data)[written:]
        else:
            self._waiting += data
        self._wait()
        if len(self._waiting) > WRITE_HIGH and not self._is_full:
            self._is_full = True
            self._on_full()

    def discard(self) -> None:
        """Forget what waits."""
        if self._is_waiting:
            self._waiting.clear()
            self._loop.remove_writer(self._descriptor)
            self._settle()

    def end(self) -> None:
        """Close it when everything is written."""
        self._is_ending = True
        if not self._is_waiting:
            self.close()

    def close(self) -> None:
        """Close it now; what waits is lost."""
        if not self._is_closed:
            self._is_closed = True
            if self._is_waiting:
                self._loop.remove_writer(self._descriptor)
                self._is_waiting = False
            self._waiting.clear()
            os.close(self._descriptor)

    def _try(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._is_ending = True  # nobody reads any more
            return len(data)

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._loop.add_writer(self._descriptor, self._writable)

    def _writable(self) -> None:
        written = self._try(self._waiting)
        del self._waiting[:written]
        if self._waiting:
            return
        self._loop.remove_writer(self._descriptor)
        self._settle()

    def _settle(self) -> None:
        """Nothing waits any more."""
        self._is_waiting = False
        if self._is_ending:
            self.close()
        if self._is_full:
            self._is_full = False
            self._on_drained()


def open_pipes(count: int) -> list[tuple[int, int]]:
    """(read end, write end) of so many pipes: all of them or none. Raises Unavailable."""
    pipes: list[tuple[int, int]] = []
    try:
        pipes.extend(os.pipe() for _ in range(count))
    except OSError as error:
        for end in (end for pipe in pipes for end in pipe):
            os.close(end)
        raise Unavailable(f"no program can be started now: {error.strerror}") from error
    return pipes


def widen(pipe: int, room: int) -> None:
    """Past what the system grants a user it stays as it is."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, room)
