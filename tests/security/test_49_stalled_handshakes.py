"""Rule 49: a stalled handshake holds up nobody, and HTTP/2 with its abuses is not spoken."""

from __future__ import annotations

import asyncio
import ssl
import time

import pytest
from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.proxy.service import ProxyLimits

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


@pytest.mark.parametrize(
    "alpn", ["teleport-dial", "teleport-reversetunnel", "teleport-reversetunnel-data", "http/1.1"]
)
async def test_handshakes_that_stop_after_the_first_message(alpn: str) -> None:
    here = world()
    async with here.running(limits=ProxyLimits(prove_within=1.0, drain=0.5)) as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        await eventually(lambda: proxy.registry.is_connected(WEB1), "agent")
        stalled = []
        for _ in range(100):
            sock = await connect(here.address)
            await asyncio.get_running_loop().sock_sendall(sock, hello(alpn))
            stalled.append(sock)
        begun = time.monotonic()
        assert (await here.dial("web1")).answer.allowed
        assert time.monotonic() - begun < 1.0, "the dial waited for the stalled handshakes"
        if alpn != "http/1.1":  # the web server has its own, longer time for a handshake
            before = proxy.counter.open
            await eventually(lambda: proxy.counter.open <= before - 100, "the stalled ones are gone", within=5)
        for sock in stalled:
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
        async with asyncio.timeout(5):
            while piece := await tls.read():
                answer += piece
        assert answer.startswith(b"HTTP/1.1 400 ")
