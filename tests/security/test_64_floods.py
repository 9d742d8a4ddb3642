"""Rule 64: the limits before authentication hold under a flood, and those of other addresses are served as before."""

from __future__ import annotations

import asyncio
import socket
import time

from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.net.address import Address
from teleport.net.connection_limits import ConnectionLimits
from teleport.proxy.service import ProxyLimits

WEB1 = "11111111-1111-4111-8111-111111111111"
LIMITS = ConnectionLimits(total=2000, per_ip=200, unproven_total=400, unproven_per_ip=40)


def world() -> World:
    return World([node(WEB1, "web1"), role("access"), *singletons()])


async def flood(address: Address, source: str, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    socks: list[socket.socket] = []
    while not stop.is_set():
        sock = socket.socket(proto=socket.IPPROTO_TCP)
        sock.setblocking(False)
        sock.bind((source, 0))
        try:
            await loop.sock_connect(sock, tuple(address))
            sock.send(b"\x16\x03\x01\x02\x00\x01")
        except OSError:
            sock.close()
        else:
            socks.append(sock)
        if len(socks) > 200:
            socks.pop(0).close()
        await asyncio.sleep(0)
    for sock in socks:
        sock.close()


async def dial_time(here: World) -> float:
    """Seconds of this process: it is proxy, client, agent and flood, and nobody else counts."""
    begun = time.process_time()
    dialed = await here.dial("web1")
    assert dialed.answer.allowed
    assert dialed.connection is not None
    dialed.connection.close()
    return time.process_time() - begun


async def test_a_dial_beside_a_flood_from_another_address() -> None:
    here = world()
    limits = ProxyLimits(connections=LIMITS, prove_within=10.0, drain=0.5)
    async with here.running(limits=limits) as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        serving = asyncio.get_running_loop().create_task(close_all(agent))
        calm = sorted([await dial_time(here) for _ in range(20)])
        stop = asyncio.Event()
        floods = [asyncio.get_running_loop().create_task(flood(here.address, "127.0.0.9", stop))]
        await eventually(lambda: proxy.counter.refused > 100, "the limit is reached")
        busy = sorted([await dial_time(here) for _ in range(20)])
        assert proxy.counter.unproven <= LIMITS.unproven_per_ip + 5
        stop.set()
        await asyncio.gather(*floods)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert busy[-2] < 5 * calm[-2] + 0.05, f"{calm[-2] * 1e3:.1f} ms alone, {busy[-2] * 1e3:.1f} ms beside the flood"


async def close_all(agent) -> None:  # type: ignore[no-untyped-def]
    async for incoming in agent:
        incoming.connection.close()


async def test_the_total_before_authentication_is_bounded_whatever_the_addresses() -> None:
    here = world()
    limits = ProxyLimits(connections=LIMITS, prove_within=5.0, drain=0.5)
    async with here.running(limits=limits) as proxy:
        stop = asyncio.Event()
        sources = [f"127.0.1.{number}" for number in range(1, 31)]
        floods = [asyncio.get_running_loop().create_task(flood(here.address, source, stop)) for source in sources]
        await eventually(lambda: proxy.counter.refused > 100, "the limit is reached")
        assert proxy.counter.unproven <= LIMITS.unproven_total
        stop.set()
        await asyncio.gather(*floods)
        await eventually(lambda: proxy.counter.open == 0, "all places are free again")
