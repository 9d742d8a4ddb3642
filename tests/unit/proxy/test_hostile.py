"""The single port under strangers: garbage costs bounded memory, ends in time, and leaves others alone."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import socket
import ssl
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.net.address import Address
from teleport.net.connection_limits import ConnectionLimits
from teleport.net.http_client import HttpClient
from teleport.net.tls import TlsConnection
from teleport.proxy.service import ProxyLimits
from teleport.wire.tls_names import PROXY_SERVER_NAME

WEB1 = "11111111-1111-4111-8111-111111111111"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)


def world() -> World:
    return World([node(WEB1, "web1", env="dev"), role("access", env="dev"), *singletons()])


@asynccontextmanager
async def browser(address: Address) -> AsyncIterator[HttpClient]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    client = HttpClient(address, tls=tls)
    try:
        yield client
    finally:
        await client.close()


async def stranger(address: Address, source: str = "127.0.0.2") -> socket.socket:
    sock = socket.socket(proto=socket.IPPROTO_TCP)
    sock.setblocking(False)
    sock.bind((source, 0))
    await asyncio.get_running_loop().sock_connect(sock, tuple(address))
    return sock


async def ended(sock: socket.socket, within: float = 30.0) -> bool:
    """Whatever it says, the other side ends the connection in time."""
    try:
        async with asyncio.timeout(within):
            while await asyncio.get_running_loop().sock_recv(sock, 65536):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    finally:
        sock.close()
    return True


def limits(prove_within: float, **connections: int) -> ProxyLimits:
    return ProxyLimits(connections=ConnectionLimits(**connections), prove_within=prove_within, drain=0.5)


async def test_random_bytes_end_at_once_or_in_time() -> None:
    here = world()
    dice = random.Random(7)
    async with here.running(limits=limits(0.5)) as proxy:
        for round_number in range(20):
            socks = [await stranger(here.address) for _ in range(10)]
            for sock in socks:
                start = dice.choice([b"", b"\x16\x03\x01", b"PROXY ", b"GET ", b"SSH-", b"\r\n\r\n\x00\r\nQUIT\n"])
                await asyncio.get_running_loop().sock_sendall(sock, start + dice.randbytes(dice.randrange(1, 3000)))
            assert all(await asyncio.gather(*(ended(sock) for sock in socks))), f"round {round_number}"
        await eventually(lambda: proxy.counter.open == 0, "every place is free")
        async with browser(here.address) as client:
            assert (await client.request("GET", "/", {})).status == 200


@pytest.mark.parametrize("sent", [b"", b"\x16", HELLO, b"GET", b"PROXY TCP4 1.2", b"\x00\x00\x00\x08\x04\xd2"])
async def test_half_an_opening_ends_in_time(sent: bytes) -> None:
    here = world()
    async with here.running(limits=limits(0.3)) as proxy:
        begun = time.monotonic()
        sock = await stranger(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, sent)
        assert await ended(sock)
        assert 0.2 < time.monotonic() - begun < 20
        await eventually(lambda: proxy.counter.open == 0, "its place is free")


async def test_a_slow_drip_ends_in_time_however_long_it_drips() -> None:
    here = world()
    async with here.running(limits=limits(0.5)) as proxy:
        sock = await stranger(here.address)
        begun = time.monotonic()
        try:
            for byte in HELLO * 10:
                await asyncio.get_running_loop().sock_sendall(sock, bytes([byte]))
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        assert time.monotonic() - begun < 15, "all of it takes 22 s"
        await eventually(lambda: proxy.counter.open == 0, "its place is free")


@pytest.mark.parametrize("alpn", ["teleport-dial", "teleport-reversetunnel", "teleport-reversetunnel-data"])
async def test_a_handshake_without_its_message_ends_in_time(alpn: str) -> None:
    here = world()
    pair = here.cluster.user() if alpn == "teleport-dial" else here.cluster.host(WEB1)
    async with here.running(limits=limits(3)) as proxy:
        sock = await stranger(here.address)
        tls = await TlsConnection.connect(sock, here.cluster.client_context(pair, alpn), PROXY_SERVER_NAME)
        await tls.write(b"\x00\x00\x01\x00{")  # a message that never ends
        await eventually(lambda: proxy.counter.open == 0, "it was ended")
        tls.abort()


async def test_five_thousand_idle_connections_cost_little_and_disturb_nobody() -> None:
    """From a few addresses, some silent, some in the middle of a ClientHello."""
    count = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * count)), hard))
    here = world()
    roomy = limits(30, unproven_total=count + 100, unproven_per_ip=count)
    try:
        async with here.running(limits=roomy) as proxy, browser(here.address) as client:
            await quick_answers(client, 20)
            calm = await quick_answers(client, 200)
            gc.collect()
            before = memory_kib()
            socks = []
            for number in range(count):
                sock = await stranger(here.address, f"127.0.0.{2 + number % 5}")
                if number % 2:
                    sock.send(HELLO)
                socks.append(sock)
            await eventually(lambda: proxy.counter.unproven == count, "all wait", within=30)
            each = (memory_kib() - before) / count
            busy = await quick_answers(client, 200)
            for sock in socks:
                sock.close()
            await eventually(lambda: proxy.counter.unproven == 0, "all are gone", within=30)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert each < 16, f"{each:.1f} KiB a connection, both ends together"
    assert busy < 3 * calm + 0.002, f"median answer {calm * 1e3:.2f} ms alone, {busy * 1e3:.2f} ms beside them"


async def test_a_flood_of_half_handshakes_from_one_address_leaves_others_alone() -> None:
    """Its connections past the limit are reset; another address is served as before."""
    here = world()
    async with here.running(limits=limits(5, unproven_per_ip=50)) as proxy, browser(here.address) as client:
        await quick_answers(client, 20)
        calm = await quick_answers(client, 100)
        stop = asyncio.Event()
        flooding = asyncio.get_running_loop().create_task(flood(here.address, stop))
        await eventually(lambda: proxy.counter.refused > 0, "the limit is reached")
        busy = await quick_answers(client, 100)
        async with browser(here.address) as another:
            assert (await another.request("GET", "/", {}, timeout=20)).status == 200, "also a new connection"
        stop.set()
        await flooding
        assert proxy.counter.unproven <= 51
    assert busy < 5 * calm + 0.010, f"{calm * 1e3:.2f} ms alone, {busy * 1e3:.2f} ms beside the flood"


async def flood(address: Address, stop: asyncio.Event) -> None:
    socks: list[socket.socket] = []
    while not stop.is_set():
        try:
            sock = await stranger(address)
            sock.send(HELLO)
            socks.append(sock)
        except ConnectionError:
            pass
        if len(socks) > 100:
            socks.pop(0).close()
        await asyncio.sleep(0)
    for sock in socks:
        sock.close()


async def quick_answers(client: HttpClient, count: int) -> float:
    """The median seconds of this process for one request: it is server, client and crowd, and nobody else counts."""
    taken = []
    for _ in range(count):
        begun = time.process_time()
        assert (await client.request("GET", "/", {}, timeout=10)).status == 200
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def memory_kib() -> int:
    with open(f"/proc/{os.getpid()}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


async def test_descriptors_are_given_back_whatever_strangers_do() -> None:
    here = world()
    async with here.running(limits=limits(0.3)) as proxy:
        async with browser(here.address) as client:
            await client.request("GET", "/", {})
        before = len(os.listdir("/proc/self/fd"))
        for sent in (b"", HELLO, b"SSH-2.0\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100):
            for _ in range(10):
                sock = await stranger(here.address)
                await asyncio.get_running_loop().sock_sendall(sock, sent)
                sock.close()
        await eventually(lambda: proxy.counter.open == 0, "every place is free")
        await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before, "every descriptor too")
