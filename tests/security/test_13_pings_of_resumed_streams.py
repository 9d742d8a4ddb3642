"""Rule 13: who pings the carrier of a stream without end and reads no answer stops being read."""

from __future__ import annotations

import asyncio
import socket

from teleport.net.resumable import ResumablePipe
from teleport.wire.resumption import LIMIT, MAGIC

PING = b"\x04\0\0\0"
TOTAL = 64 << 20


async def test_answers_that_nobody_reads_are_bounded() -> None:
    inner, _other = socket.socketpair()
    carrier, mallory = socket.socketpair()
    mallory.setblocking(False)
    pipe = ResumablePipe(inner)
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(pipe.run()), loop.create_task(pipe.carry(carrier))]
    worst = sent = 0
    try:
        await loop.sock_sendall(mallory, MAGIC + bytes(8))
        flood = PING * (16 << 10)
        while sent < TOTAL:
            try:
                async with asyncio.timeout(1):
                    await loop.sock_sendall(mallory, flood)
            except TimeoutError:
                break
            sent += len(flood)
            worst = max(worst, len(pipe._stream.outbox))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in (mallory, _other):
            sock.close()
    assert sent < TOTAL, "it was read to the end"
    assert worst < 4 * LIMIT


async def test_a_stream_goes_on_once_its_answers_are_read() -> None:
    inner, other = socket.socketpair()
    carrier, peer = socket.socketpair()
    for sock in (other, peer):
        sock.setblocking(False)
    pipe = ResumablePipe(inner)
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(pipe.run()), loop.create_task(pipe.carry(carrier))]
    heard = 0

    async def listen() -> None:
        nonlocal heard
        while data := await loop.sock_recv(peer, 1 << 20):
            heard += len(data)

    try:
        await loop.sock_sendall(peer, MAGIC + bytes(8))
        sending = loop.create_task(loop.sock_sendall(peer, PING * (1 << 20) + b"\x01\0\0\x04last"))
        async with asyncio.timeout(60):
            while len(pipe._stream.outbox) < 2 * LIMIT:
                await asyncio.sleep(0.01)
            tasks.append(loop.create_task(listen()))
            assert await loop.sock_recv(other, 100) == b"last"
            await sending
        assert heard > 2 * LIMIT
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in (peer, other):
            sock.close()
