"""Between a socket and an SSH connection: what comes is read into one buffer that serves all of them.

The loop's own way makes an object for every read, of a quarter of a megabyte in bulk traffic, and copies into it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final, Protocol

READ_SIZE: Final = 512 << 10
"""Most bytes taken at once."""


class Arriving(Protocol):
    """A connection that reads from a buffer which is not its own."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def take(self, data: memoryview) -> None:
        """Read all of it, or keep a copy: afterwards it changes."""
        ...

    def eof_received(self) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...


class _Buffer(threading.local):
    """One for each loop, that is for each thread: every read is taken before the next is made."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_buffer = _Buffer()


class Inlet(asyncio.BufferedProtocol):
    """The protocol of one transport, for a connection."""

    def __init__(self, connection: Arriving) -> None:
        self._take = connection.take
        self.connection_made = connection.connection_made  # type: ignore[method-assign]
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        self._take(_buffer.view[:nbytes])
