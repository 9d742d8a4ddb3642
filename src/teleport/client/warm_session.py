"""A session whose descriptors belong to another process: nothing may block the loop that serves the others.

Output is written in a thread; while much of it waits, the channel stops reading and the SSH window closes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from teleport.client import ssh_library  # isort: skip
import asyncssh

from teleport.client.ssh_session import DescriptorSink, InputPump, RemoteSession, SessionRequest

assert ssh_library

_HIGH = 1 << 20


class QueuedSink:
    """Takes output at once and writes it in order, in a thread. `on_full` and `on_drained` steer whoever sends."""

    def __init__(self, descriptor: int, on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:
        self._sink = DescriptorSink(descriptor)
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._on_full = on_full
        self._on_drained = on_drained
        self._is_broken = False
        self._writing: asyncio.Task[None] | None = None

    def write(self, data: bytes) -> bool:
        if self._is_broken:
            return False
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _HIGH:
            self._on_full()
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._drain())
        return True

    async def _drain(self) -> None:
        while self._waiting and not self._is_broken:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._is_broken = not await asyncio.to_thread(self._sink.write, data)
            self._size -= len(data)
            self._on_drained()
        self._writing = None

    async def flush(self) -> None:
        """Return when all is written, or can be written no more."""
        while self._writing is not None:
            await asyncio.shield(self._writing)


async def run_on_descriptors(
    connection: asyncssh.SSHClientConnection, request: SessionRequest, descriptors: Sequence[int], open_timeout: float
) -> int:
    """Open a session, join it to the descriptors, and answer its exit status when all output is written.

    Raises TimeoutError when the session does not open in time: the connection is dead then.
    """
    channels: list[asyncssh.SSHClientChannel[bytes]] = []

    def pause() -> None:
        for channel in channels:
            channel.pause_reading()

    def resume() -> None:
        for channel in channels:
            channel.resume_reading()

    sinks = [QueuedSink(descriptor, pause, resume) for descriptor in descriptors[1:3]]
    session = RemoteSession(sinks[0], sinks[1])
    async with asyncio.timeout(open_timeout):
        channel, _ = await connection.create_session(
            lambda: session,
            request.command,
            env=tuple(request.environment.items()),
            request_pty=False,
            encoding=None,
        )
    channels.append(channel)
    pump = asyncio.get_running_loop().create_task(InputPump(descriptors[0], channel, session, False).run())
    try:
        await session.finished
        channels.clear()
        for sink in sinks:
            await sink.flush()
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await pump
        channel.close()
    return session.status()
