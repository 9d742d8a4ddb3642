"""TLS that is put on a socket and taken off again."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from data_plane import Cluster, tcp_pair

from teleport.credentials import tls_contexts
from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.net.handoff import HandedOff
from teleport.net.tls import TlsConnection
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.tls_names import ALPN_DIAL, PROXY_SERVER_NAME


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


async def pair(cluster: Cluster) -> tuple[TlsConnection, TlsConnection]:
    """Client and server, shaken hands."""
    client, server = tcp_pair()
    client.setblocking(False)
    context = cluster.client_context(cluster.user(), ALPN_DIAL)
    return await asyncio.gather(
        TlsConnection.connect(client, context, PROXY_SERVER_NAME),
        TlsConnection.accept(server, cluster.proxy_contexts()(ALPN_DIAL)),
    )


async def test_both_know_each_other(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    assert client.alpn == server.alpn == ALPN_DIAL
    assert client.peer_certificate
    assert server.peer_certificate
    await client.write(b"hello")
    assert await server.read() == b"hello"
    await server.close()
    assert await client.read() == b""
    await client.close()


async def test_large_messages_pass_both_ways_at_once(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    data = bytes(range(256)) * 20_000

    async def talk(one: TlsConnection) -> bytes:
        writing = asyncio.get_running_loop().create_task(one.write(data))
        received = await one.read_exactly(len(data))
        await writing
        return received

    for received in await asyncio.gather(talk(client), talk(server)):
        assert received == data


async def test_the_same_connection_goes_on_raw(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    raw_client, raw_server = await both_off(client, server)
    assert (raw_client.leftover, raw_server.leftover) == (b"", b"")
    raw_client.sock.send(b"bare")
    assert await asyncio.get_running_loop().sock_recv(raw_server.sock, 10) == b"bare"


async def both_off(client: TlsConnection, server: TlsConnection) -> tuple[HandedOff, HandedOff]:
    async def read_then_off() -> HandedOff:
        assert await client.read() == b"welcome"
        return await client.unwrap()

    first, second = await asyncio.gather(read_then_off(), server.unwrap(b"welcome"))
    return first, second


async def test_bytes_right_behind_the_close_are_kept(cluster: Cluster) -> None:
    """A client of another make: one segment with its close_notify and the first bytes of what follows."""
    client_sock, server_sock = tcp_pair()
    context = cluster.client_context(cluster.user(), ALPN_DIAL)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=PROXY_SERVER_NAME)
    accepting = asyncio.get_running_loop().create_task(
        TlsConnection.accept(server_sock, cluster.proxy_contexts()(ALPN_DIAL))
    )

    def exchange(step) -> None:  # type: ignore[no-untyped-def]
        while True:
            try:
                step()
            except ssl.SSLWantReadError:
                client_sock.sendall(outgoing.read())
                incoming.write(client_sock.recv(65536))
            else:
                return

    await asyncio.to_thread(exchange, tls.do_handshake)
    with pytest.raises(ssl.SSLWantReadError):
        tls.unwrap()
    client_sock.sendall(outgoing.read() + b"SSH-2.0-client\r\n")
    handed_off = await (await accepting).unwrap()
    assert handed_off.leftover == b"SSH-2.0-client\r\n"
    client_sock.sendall(b"more")
    assert await asyncio.get_running_loop().sock_recv(handed_off.sock, 10) == b"more"


async def test_whoever_held_the_socket_before_cannot_close_it_any_more(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    before = server.sock
    raw_client, raw_server = await both_off(client, server)
    before.close()
    server.abort()
    await server.close()
    raw_client.sock.send(b"alive")
    assert await asyncio.get_running_loop().sock_recv(raw_server.sock, 10) == b"alive"


async def test_a_peer_that_does_not_close_runs_out_of_time(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    with pytest.raises(Unavailable, match="did not close TLS"):
        await server.unwrap(timeout=0.1)
    await client.close()


async def test_messages_where_the_close_belongs_are_refused(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    await client.write(b"I have more to say")
    with pytest.raises(RemoteProtocolError):
        await server.unwrap()


async def test_a_handshake_that_stalls_runs_out_of_time(cluster: Cluster) -> None:
    client, server = tcp_pair()
    client.send(b"\x16\x03\x01\x02\x00\x01")
    with pytest.raises(Unavailable, match="not finished within"):
        await TlsConnection.accept(server, cluster.proxy_contexts()(ALPN_DIAL), timeout=0.1)
    assert client.recv(1) == b""


async def test_garbage_is_the_peers_fault(cluster: Cluster) -> None:
    client, server = tcp_pair()
    client.send(b"no TLS at all, sorry")
    with pytest.raises(RemoteProtocolError):
        await TlsConnection.accept(server, cluster.proxy_contexts()(ALPN_DIAL))


async def test_a_server_of_another_cluster_is_not_believed(cluster: Cluster) -> None:
    client, server = tcp_pair()
    client.setblocking(False)
    context = Cluster().client_context(None, ALPN_DIAL)
    accepting = asyncio.get_running_loop().create_task(
        TlsConnection.accept(server, cluster.proxy_contexts()(ALPN_DIAL))
    )
    with pytest.raises(NotAuthenticated, match="certificate was not accepted"):
        await TlsConnection.connect(client, context, PROXY_SERVER_NAME)
    with pytest.raises((NotAuthenticated, RemoteProtocolError, Unavailable)):
        await accepting


async def test_an_agent_cannot_pose_as_the_proxy(cluster: Cluster) -> None:
    """Its certificate is from the same authority, but names no proxy."""
    chain, key = cluster.host("0b6a2a66-5f0e-4a25-8d9a-2d8d3c3a5b01", "Node")
    posing = tls_contexts.server_context(chain, key, alpn=(ALPN_DIAL,))
    client, server = tcp_pair()
    client.setblocking(False)
    accepting = asyncio.get_running_loop().create_task(TlsConnection.accept(server, posing))
    with pytest.raises(NotAuthenticated):
        await TlsConnection.connect(client, cluster.client_context(None, ALPN_DIAL), PROXY_SERVER_NAME)
    await asyncio.gather(accepting, return_exceptions=True)


async def test_a_lost_connection_is_unavailable(cluster: Cluster) -> None:
    client, server = await pair(cluster)
    client.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Unavailable):
        await server.read()
