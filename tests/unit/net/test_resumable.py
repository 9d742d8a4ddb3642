"""Two sockets joined by a stream whose connections are cut again and again."""

from __future__ import annotations

import asyncio
import os
import random
import socket

from teleport.net.resumable import ResumablePipe


async def _carry_again_and_again(near: ResumablePipe, far: ResumablePipe, cuts: random.Random) -> None:
    """Connection after connection, each cut after a few bytes, until the stream is over."""
    while not (near.is_over.is_set() and far.is_over.is_set()):
        here, there = socket.socketpair()
        carriers = [
            asyncio.get_running_loop().create_task(near.carry(here)),
            asyncio.get_running_loop().create_task(far.carry(there)),
        ]
        await asyncio.wait(carriers, timeout=cuts.random() / 20)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)


async def test_nothing_is_lost_or_doubled() -> None:
    async with asyncio.timeout(60):
        outer, inner = socket.socketpair()
        far_outer, far_inner = socket.socketpair()
        near, far = ResumablePipe(inner), ResumablePipe(far_inner)
        runs = [asyncio.get_running_loop().create_task(pipe.run()) for pipe in (near, far)]
        cutting = asyncio.get_running_loop().create_task(_carry_again_and_again(near, far, random.Random(7)))
        up, down = os.urandom(6_000_000), os.urandom(5_000_000)
        got_up, got_down = await _exchange(outer, far_outer, up, down)
        assert got_up == up
        assert got_down == down
        outer.close()
        await asyncio.gather(*runs)
        cutting.cancel()
        far_outer.close()


async def test_small_messages_arrive_at_once_each_way() -> None:
    async with asyncio.timeout(30):
        loop = asyncio.get_running_loop()
        outer, inner = socket.socketpair()
        far_outer, far_inner = socket.socketpair()
        near, far = ResumablePipe(inner, pings=0.05), ResumablePipe(far_inner)
        here, there = socket.socketpair()
        outer.setblocking(False)
        far_outer.setblocking(False)
        tasks = [
            asyncio.get_running_loop().create_task(work)
            for work in (near.run(), far.run(), near.carry(here), far.carry(there))
        ]
        for number in range(500):
            await loop.sock_sendall(outer, b"%d" % number)
            assert await loop.sock_recv(far_outer, 100) == b"%d" % number
            await loop.sock_sendall(far_outer, b"yes")
            await loop.sock_sendall(far_outer, b"!")
            got = b""
            while len(got) < 4:
                got += await loop.sock_recv(outer, 100)
        far_outer.close()
        assert await loop.sock_recv(outer, 100) == b""
        outer.close()
        await asyncio.gather(*tasks)


async def _exchange(near: socket.socket, far: socket.socket, up: bytes, down: bytes) -> tuple[bytes, bytes]:
    loop = asyncio.get_running_loop()
    near.setblocking(False)
    far.setblocking(False)

    async def receive(sock: socket.socket, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece = await loop.sock_recv(sock, 65536)
            assert piece
            found += piece
        return bytes(found)

    _, _, got_up, got_down = await asyncio.gather(
        loop.sock_sendall(near, up), loop.sock_sendall(far, down), receive(far, len(up)), receive(near, len(down))
    )
    return got_up, got_down
