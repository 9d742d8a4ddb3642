"""Rule 49: a stalled handshake holds up nobody, and HTTP/2 with its abuses is not spoken."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.proxy.service import ProxyLimits

OWN = ("teleport-dial", "teleport-reversetunnel", "teleport-reversetunnel-data")
WEB1 = "11111111-1111-4111-8111-111111111111"


def world() -> World:
    return World([node(WEB1, "web1"), role("access"), *singletons()])


def hello(alpn: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols([alpn])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="x").do_handshake()
    return outgoing.read()


async def stalled(here: World, alpn: str) -> list[socket.socket]:
    """A hundred connections that have said the first word of a handshake and say no other."""
    found = []
    for _ in range(100):
        sock = await connect(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, hello(alpn))
        found.append(sock)
    return found


@pytest.mark.parametrize("alpn", [*OWN, "http/1.1"])
async def test_handshakes_that_stop_after_the_first_message(alpn: str) -> None:
    here = world()
    limits = ProxyLimits(prove_within=120.0, drain=0.5)
    async with here.running(limits=limits) as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        await eventually(lambda: proxy.registry.is_connected(WEB1), "agent")
        waiting = await stalled(here, alpn)
        async with asyncio.timeout(30):  # the stalled ones have four times as long
            assert (await here.dial("web1")).answer.allowed
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize("alpn", OWN)  # the web server has its own, longer time for a handshake
async def test_stalled_handshakes_end(alpn: str) -> None:
    here = world()
    async with here.running(limits=ProxyLimits(prove_within=1.0, drain=0.5)) as proxy:
        waiting = await stalled(here, alpn)
        await eventually(lambda: proxy.counter.open == 0, "the stalled ones are gone", within=30)
        for sock in waiting:
            sock.close()


async def test_http2_is_not_agreed_on() -> None:
    here = world()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with here.running():
        tls = await TlsConnection.connect(await connect(here.address), context, "localhost")
        assert tls.alpn == "http/1.1"
        await tls.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        answer = b""
        async with asyncio.timeout(20):
            while piece := await tls.read():
                answer += piece
        assert answer.startswith(b"HTTP/1.1 400 ")
