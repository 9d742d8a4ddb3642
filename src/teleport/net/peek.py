"""Looks at the first bytes of a connection without taking them, so that the socket can still go to any owner.

The kernel is told how many bytes are needed (SO_RCVLOWAT) and wakes us only then: a client that drips costs nothing
until its time is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TypeVar

from teleport.foundation.errors import Unavailable
from teleport.wire.errors import Incomplete, RemoteProtocolError

Seen = TypeVar("Seen")

_CHUNK = 4096  # most openings fit; more is asked for only when a parser wants it


async def peek(
    sock: socket.socket, parse: Callable[[bytes], Seen | Incomplete], *, max_size: int, timeout: float
) -> Seen:
    """What `parse` makes of the first bytes; they stay in the socket.

    Raises Unavailable when the peer leaves or is too slow, RemoteProtocolError when it ends early or parse says so.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _peek(sock, parse, max_size)
    except TimeoutError:
        raise Unavailable(f"nothing useful was sent within {timeout:g} s") from None
    except OSError as problem:
        raise Unavailable(f"connection lost: {problem.strerror or problem}") from problem


async def _peek(sock: socket.socket, parse: Callable[[bytes], Seen | Incomplete], max_size: int) -> Seen:
    seen, needed = -1, 1
    try:
        while True:
            try:
                data = sock.recv(max(_CHUNK, needed), socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                await _readable(sock)
                continue
            if len(data) <= max(seen, 0):
                # woken although no byte came: the peer has finished
                raise (RemoteProtocolError("ended in the middle") if data else Unavailable("it left without a word"))
            seen = len(data)
            result = parse(data)
            if not isinstance(result, Incomplete):
                return result
            needed = max(result.needed, seen + 1)
            if needed > max_size:
                raise RemoteProtocolError(f"its opening is longer than {max_size} bytes")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, needed)
            await _readable(sock)
    finally:
        if needed > 1:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(sock, _set_ready, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _set_ready(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
