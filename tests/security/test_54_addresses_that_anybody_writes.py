"""54, 64: unless balancers are sure to send PROXY headers, one that comes changes nothing that goes by the address.

Limits of strangers and pins of certificates at the proxy, at auth and on the node go by what the socket says.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest
from proxy_world import World, node, role, singletons

from teleport.net import frames
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.proxy.gateways.auth import AuthAcceptor
from teleport.tunnel.messages import DialRequest
from teleport.wire.proxy_protocol import encode_v1, encode_v2
from teleport.wire.tls_names import ALPN_DIAL, PROXY_SERVER_NAME, auth_alpn, auth_server_name

WEB1 = "11111111-1111-4111-8111-111111111111"
PINNED_TO = "203.0.113.9"
SAYS = [("on", PINNED_TO), ("unset", "127.0.0.1")]


def world() -> World:
    return World([node(WEB1, "web1"), role("access"), *singletons()])


async def arrive(here: World) -> socket.socket:
    sock = await connect(here.address)
    await asyncio.get_running_loop().sock_sendall(sock, encode_v1((PINNED_TO, 1234), ("198.51.100.1", 443)))
    return sock


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("encode", [encode_v1, encode_v2])
@pytest.mark.parametrize(("setting", "seen"), SAYS)
async def test_the_web_side(
    setting: str, seen: str, encode: Callable[[tuple[str, int], tuple[str, int]], bytes]
) -> None:
    here = world()
    async with here.running(proxy_protocol=setting):
        sock = await connect(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, encode((PINNED_TO, 1234), ("198.51.100.1", 443)))
        tls = await TlsConnection.connect(sock, trusting(), "localhost")
        await tls.write(b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = b""
        while piece := await tls.read():
            answer += piece
        assert f"hello {seen} /x".encode() in answer


@pytest.mark.parametrize(("setting", "seen"), SAYS)
async def test_connections_for_auth(setting: str, seen: str) -> None:
    here, told = world(), asyncio.get_running_loop().create_future()

    def accept(connection: HandedOff, client: Address, release: Callable[[], None]) -> None:
        told.set_result(client.host)
        connection.close()
        release()

    async with here.running(proxy_protocol=setting, auth=AuthAcceptor(accept)):
        sock = await arrive(here)
        context = trusting()
        context.set_alpn_protocols([auth_alpn("example")])
        outgoing = ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=auth_server_name("example")).do_handshake()
        await asyncio.get_running_loop().sock_sendall(sock, outgoing.read())
        async with asyncio.timeout(20):
            assert await told == seen
        sock.close()


async def test_what_the_node_is_told() -> None:
    """Whoever dials in their own name must not lend the address of another to a stolen SSH certificate."""
    here = world()
    async with here.running(proxy_protocol="unset"), here.agent(WEB1) as agent:
        await agent.wait_connected()
        context = here.cluster.client_context(here.cluster.user(), ALPN_DIAL)
        tls = await TlsConnection.connect(await arrive(here), context, PROXY_SERVER_NAME)
        await tls.write(frames.encode(DialRequest(target="web1", login="root")))
        async with asyncio.timeout(20):
            incoming = await anext(aiter(agent))
        assert incoming.request.client_addr.startswith("127.0.0.1:")
        incoming.connection.close()
        tls.abort()
