"""Rule 34: no sequence of bytes makes the port fall over; it serves the next one as if nothing had been."""

from __future__ import annotations

import asyncio
import random
import ssl

import pytest
from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.proxy.service import ProxyLimits
from teleport.wire.tls_names import PROXY_SERVER_NAME

WEB1 = "11111111-1111-4111-8111-111111111111"
MESSAGES = [
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x00\x01\x00\x01",
    b"\x00\x00\x00\x04null",
    b"\x00\x00\x00\x02[]",
    b'\x00\x00\x00\x0f{"type":"ping"}',
    b'\x00\x00\x00\x1a{"type":"dial","version":1e',
    b"\x00\x00\xff\xff" + b"[" * 65535,
    b"\x00\x00\x00\x10\xff\xfe\xfd" + bytes(13),
]


def hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols(["teleport-dial"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="x").do_handshake()
    return outgoing.read()


async def test_damaged_client_hellos() -> None:
    here = World([node(WEB1, "web1"), role("access"), *singletons()])
    dice = random.Random(11)
    good = hello()
    async with here.running(limits=ProxyLimits(prove_within=10.0, drain=0.5)) as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        for _ in range(150):
            damaged = bytearray(good)
            for _ in range(dice.randrange(1, 5)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            sock = await connect(here.address)
            await asyncio.get_running_loop().sock_sendall(sock, bytes(damaged))
            sock.close()
        assert (await here.dial("web1")).answer.allowed
        await eventually(lambda: proxy.counter.unproven == 0, "every stranger is gone")


@pytest.mark.parametrize("alpn", ["teleport-dial", "teleport-reversetunnel", "teleport-reversetunnel-data"])
async def test_damaged_messages_of_those_with_a_certificate(alpn: str) -> None:
    here = World([node(WEB1, "web1"), role("access"), *singletons()])
    pair = here.cluster.user() if alpn == "teleport-dial" else here.cluster.host(WEB1)
    async with here.running(limits=ProxyLimits(prove_within=3.0, drain=0.5)) as proxy:
        for message in MESSAGES:
            sock = await connect(here.address)
            tls = await TlsConnection.connect(sock, here.cluster.client_context(pair, alpn), PROXY_SERVER_NAME)
            await tls.write(message)
            async with asyncio.timeout(20):
                try:
                    while await tls.read():
                        pass
                except Exception:
                    pass
            tls.abort()
        await eventually(lambda: proxy.counter.open == 0, "every place is free")
        async with here.agent(WEB1) as agent:
            await agent.wait_connected()
            assert (await here.dial("web1")).answer.allowed
