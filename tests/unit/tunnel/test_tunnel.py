"""Agents and a proxy's registry over real TLS on loopback."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from data_plane import QUICK, Cluster, eventually, quick_backoff

from teleport.credentials.peers import verify_peer
from teleport.foundation.errors import Unavailable
from teleport.net import frames
from teleport.net.address import Address
from teleport.net.listener import Listener, listen
from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.proxy.gateways.tunnel import TunnelDataGateway, TunnelGateway
from teleport.proxy.router import Gateway
from teleport.proxy.single_port import SinglePort
from teleport.tunnel.agent_pool import AgentPool, IncomingConnection
from teleport.tunnel.messages import (
    AgentHello,
    DataHello,
    IncomingRequest,
    ProxyHello,
)
from teleport.tunnel.registry import AgentRegistry
from teleport.wire.tls_names import ALPN_TUNNEL, ALPN_TUNNEL_DATA, PROXY_SERVER_NAME

LOOPBACK = Address("127.0.0.1", 0)
HOST = "0b6a2a66-5f0e-4a25-8d9a-2d8d3c3a5b01"
REQUEST = IncomingRequest(kind="node", resource_id=HOST, user="alice", client_addr="192.0.2.1:5")


class TunnelProxy:
    """The tunnel half of a proxy: port, gateways and registry."""

    def __init__(self, cluster: Cluster, registry: AgentRegistry, address: Address) -> None:
        contexts = cluster.proxy_contexts()

        def identify(certificate: bytes | None):  # type: ignore[no-untyped-def]
            return verify_peer(certificate or b"", cluster.authorities(), cluster.now)

        self.registry = registry
        self.port = SinglePort(
            {
                Gateway.TUNNEL: TunnelGateway(lambda: contexts(ALPN_TUNNEL), identify, cluster.name, registry),
                Gateway.TUNNEL_DATA: TunnelDataGateway(lambda: contexts(ALPN_TUNNEL_DATA), identify, registry),
            }
        )
        self.listener = Listener(listen(address), self.port.take)
        self.listener.start()

    @property
    def address(self) -> Address:
        return self.listener.addresses[0]

    async def close(self) -> None:
        self.listener.close()
        await self.port.close()


@asynccontextmanager
async def tunnel_proxy(
    cluster: Cluster, address: Address = LOOPBACK, **options: object
) -> AsyncIterator[TunnelProxy]:
    proxy = TunnelProxy(cluster, AgentRegistry("proxy-1", **options), address)  # type: ignore[arg-type]
    pinging = asyncio.get_running_loop().create_task(proxy.registry.keep_alive())
    try:
        yield proxy
    finally:
        pinging.cancel()
        await proxy.close()


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


def pool_of(cluster: Cluster, *addresses: Address, host_id: str = HOST, spares: int = 2) -> AgentPool:
    return AgentPool(cluster.tunnel_identity(host_id), addresses, spares=spares, timing=QUICK, backoff=quick_backoff)


def spares(proxy: TunnelProxy) -> int:
    return sum(agent.spares for agent in proxy.registry.agents())


async def next_of(pool: AgentPool) -> IncomingConnection:
    async with asyncio.timeout(30):
        return await anext(pool)


async def passes_bytes(a: socket.socket, b: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for source, target in ((a, b), (b, a)):
        await loop.sock_sendall(source, b"through")
        async with asyncio.timeout(20):
            assert await loop.sock_recv(target, 100) == b"through"


async def test_a_dial_meets_an_agent_on_a_raw_socket(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy, pool_of(cluster, proxy.address) as pool:
        await eventually(lambda: spares(proxy) == 2, "two spares")
        connection = await proxy.registry.connect(HOST, REQUEST)
        incoming = await next_of(pool)
        assert incoming.request == REQUEST
        await passes_bytes(connection.sock, incoming.connection.sock)
        await eventually(lambda: spares(proxy) == 2, "the spare that was taken is replaced")


async def test_more_dials_than_spares_at_once(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy, pool_of(cluster, proxy.address, spares=1) as pool:
        await eventually(lambda: spares(proxy) == 1, "a spare")
        dialled = await asyncio.gather(*(proxy.registry.connect(HOST, REQUEST) for _ in range(8)))
        for _ in dialled:
            await next_of(pool)
        assert len({connection.sock.fileno() for connection in dialled}) == 8


async def test_without_spares_each_dial_opens_a_connection(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy, pool_of(cluster, proxy.address, spares=0) as pool:
        await pool.wait_connected()
        await eventually(lambda: proxy.registry.is_connected(HOST), "agent")
        connection = await proxy.registry.connect(HOST, REQUEST)
        await passes_bytes(connection.sock, (await next_of(pool)).connection.sock)


async def test_an_absent_agent_is_unavailable(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        with pytest.raises(Unavailable, match="not connected"):
            await proxy.registry.connect(HOST, REQUEST)


async def test_an_agent_that_gives_nothing_runs_out_of_time(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster, connect_timeout=0.2) as proxy:
        tls = await control_connection(cluster, proxy)
        with pytest.raises(Unavailable, match=r"within 0\.2 s"):
            await proxy.registry.connect(HOST, REQUEST)
        await tls.close()


async def test_a_dial_learns_that_its_agent_left(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        tls = await control_connection(cluster, proxy)
        async with asyncio.TaskGroup() as group:
            dialling = group.create_task(refused(proxy.registry.connect(HOST, REQUEST)))
            await asyncio.sleep(0)
            tls.abort()
        assert "disconnected" in dialling.result()


async def test_a_connection_that_comes_after_its_dial_was_given_up_becomes_a_spare(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        tls = await control_connection(cluster, proxy)
        hello = await control_hello(tls)
        dialling = asyncio.get_running_loop().create_task(refused(proxy.registry.connect(HOST, REQUEST)))
        await asyncio.sleep(0)
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        data = await data_connection(cluster, proxy, hello.control_id)
        await data.unwrap()
        await eventually(lambda: spares(proxy) == 1, "a spare")
        await tls.close()


async def test_descriptors_are_given_back(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        before = open_descriptors()
        for _ in range(5):
            async with pool_of(cluster, proxy.address) as pool:
                await eventually(lambda: spares(proxy) == 2, "spares")
                connection = await proxy.registry.connect(HOST, REQUEST)
                (await next_of(pool)).connection.close()
                connection.close()
            await eventually(lambda: not proxy.registry.agents(), "agent gone")
        await eventually(lambda: open_descriptors() <= before, "descriptors given back")


async def test_spares_beyond_the_limit_are_closed(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster, max_spares=2) as proxy, pool_of(cluster, proxy.address, spares=6) as pool:
        await pool.wait_connected()
        await eventually(lambda: spares(proxy) == 2, "as many as allowed")
        await eventually(lambda: len(proxy.port) == 1, "all data connections were answered")
        assert spares(proxy) == 2


async def test_an_agent_comes_back_when_its_proxy_restarts(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as first:
        address = first.address
        pool = pool_of(cluster, address)
        await pool.__aenter__()
        await pool.wait_connected()
    try:
        await eventually(lambda: not pool.connected, "the loss is noticed")
        async with tunnel_proxy(cluster, address) as second:
            await eventually(lambda: spares(second) == 2, "the agent is back")
            connection = await second.registry.connect(HOST, REQUEST)
            await passes_bytes(connection.sock, (await next_of(pool)).connection.sock)
    finally:
        await pool.__aexit__(None, None, None)


async def test_a_restarted_agent_is_reached_although_its_old_connection_lingers(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        old = await control_connection(cluster, proxy)
        async with pool_of(cluster, proxy.address) as pool:
            await eventually(lambda: spares(proxy) == 2, "spares of the new one")
            await proxy.registry.connect(HOST, REQUEST)
            await next_of(pool)
        await old.close()


async def test_two_addresses_of_one_proxy_make_one_tunnel(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        again = Address("localhost", proxy.address.port)
        async with pool_of(cluster, proxy.address, again) as pool:
            await pool.wait_connected()
            await eventually(lambda: spares(proxy) == 2, "spares")
            await asyncio.sleep(0.3)  # time for the second address to be tried more than once
            assert pool.connected == ("proxy-1",)


async def test_an_agent_learns_of_other_proxies(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as second:
        second.registry._proxy_id = "proxy-2"
        known = (str(second.address),)
        async with tunnel_proxy(cluster, proxies=lambda: known) as first, pool_of(cluster, first.address) as pool:
            await eventually(lambda: set(pool.connected) == {"proxy-1", "proxy-2"}, "both proxies")


async def test_silence_ends_a_control_connection(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster, silence=1.0) as proxy:
        tls = await control_connection(cluster, proxy)
        await eventually(lambda: not proxy.registry.agents(), "the silent agent is dropped")
        tls.abort()


async def test_pings_keep_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    pinging = tunnel_proxy(cluster, silence=4.0, ping_interval=0.1)
    async with pinging as proxy, pool_of(cluster, proxy.address) as pool:
        await eventually(lambda: spares(proxy) == 2, "agent")
        links = dict(proxy.registry._by_control)
        (stream,) = (link.stream for link in links.values())
        answered: list[msgspec.Struct] = []
        send = stream.send

        async def counted(message: msgspec.Struct) -> None:
            answered.append(message)
            await send(message)

        monkeypatch.setattr(stream, "send", counted)
        # a tenth of a second apart: longer than the silence that would end it
        await eventually(lambda: len(answered) >= 48, "pings answered")
        assert proxy.registry._by_control == links
        assert pool.connected


async def test_a_draining_agent_gets_nothing_new_and_ends_its_iteration(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy, pool_of(cluster, proxy.address) as pool:
        await eventually(lambda: spares(proxy) == 2, "spares")
        served = await proxy.registry.connect(HOST, REQUEST)
        incoming = await next_of(pool)
        await pool.drain()
        with pytest.raises(Unavailable):
            await proxy.registry.connect(HOST, REQUEST)
        assert [one async for one in pool] == []
        await passes_bytes(served.sock, incoming.connection.sock)


async def test_a_draining_proxy_sends_its_agents_away_and_leaves_joined_connections(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy, pool_of(cluster, proxy.address) as pool:
        await eventually(lambda: spares(proxy) == 2, "spares")
        served = await proxy.registry.connect(HOST, REQUEST)
        incoming = await next_of(pool)
        await proxy.registry.drain()
        await eventually(lambda: not pool.connected, "the agent left")
        await passes_bytes(served.sock, incoming.connection.sock)


async def test_a_spare_that_the_agent_closed_is_not_given_out(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster, connect_timeout=0.3) as proxy:
        tls = await control_connection(cluster, proxy)
        hello = await control_hello(tls)
        raw = await (await data_connection(cluster, proxy, hello.control_id)).unwrap()
        await eventually(lambda: spares(proxy) == 1, "a spare")
        raw.close()
        with pytest.raises(Unavailable):
            await proxy.registry.connect(HOST, REQUEST)
        assert spares(proxy) == 0
        tls.abort()


@pytest.mark.parametrize("guess", ["", "0" * 32])
async def test_a_data_connection_for_a_control_connection_that_is_not_there_is_refused(
    cluster: Cluster, guess: str
) -> None:
    async with tunnel_proxy(cluster) as proxy:
        tls = await data_connection(cluster, proxy, guess)
        assert await ends(tls)
        assert not spares(proxy)


async def test_a_host_cannot_offer_data_connections_for_another(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        tls = await control_connection(cluster, proxy)
        hello = await control_hello(tls)
        other = "9f6d2a66-5f0e-4a25-8d9a-2d8d3c3a5b02"
        await data_connection(cluster, proxy, hello.control_id, host_id=other)
        await eventually(lambda: len(proxy.port) == 1, "answered")
        assert spares(proxy) == 0
        tls.abort()


async def test_a_host_that_claims_to_be_another_is_refused(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        sock = await connect(proxy.address)
        context = cluster.client_context(cluster.host("9f6d2a66-5f0e-4a25-8d9a-2d8d3c3a5b02"), ALPN_TUNNEL)
        tls = await TlsConnection.connect(sock, context, PROXY_SERVER_NAME)
        await tls.write(frames.encode(AgentHello(host_id=HOST, cluster=cluster.name)))
        assert await ends(tls)
        assert not proxy.registry.agents()


@pytest.mark.parametrize("who", ["a person", "nobody", "a stranger"])
async def test_only_hosts_of_this_cluster_open_tunnels(cluster: Cluster, who: str) -> None:
    pair = {"a person": cluster.user(), "nobody": None, "a stranger": Cluster("example").host(HOST)}[who]
    async with tunnel_proxy(cluster) as proxy:
        sock = await connect(proxy.address)
        context = cluster.client_context(pair, ALPN_TUNNEL)
        tls = await TlsConnection.connect(sock, context, PROXY_SERVER_NAME)
        await tls.write(frames.encode(AgentHello(host_id=HOST, cluster=cluster.name)))
        assert await ends(tls)
        assert not proxy.registry.agents()


async def test_gibberish_on_a_control_connection_ends_it(cluster: Cluster) -> None:
    async with tunnel_proxy(cluster) as proxy:
        tls = await control_connection(cluster, proxy)
        await control_hello(tls)
        await tls.write(b"\x00\x00\x00\x02{}")
        assert await ends(tls)
        await eventually(lambda: not proxy.registry.agents(), "the agent is dropped")


async def ends(tls: TlsConnection) -> bool:
    """The other side ends the connection, properly or not."""
    try:
        async with asyncio.timeout(20):
            while await tls.read():
                pass
    except TimeoutError:
        return False
    except Exception:
        return True
    return True


async def refused(dialling) -> str:  # type: ignore[no-untyped-def]
    try:
        connection = await dialling
    except Unavailable as problem:
        return problem.message
    connection.close()
    return "connected"


async def control_connection(cluster: Cluster, proxy: TunnelProxy) -> TlsConnection:
    sock = await connect(proxy.address)
    context = cluster.client_context(cluster.host(HOST), ALPN_TUNNEL)
    tls = await TlsConnection.connect(sock, context, PROXY_SERVER_NAME)
    await tls.write(frames.encode(AgentHello(host_id=HOST, cluster=cluster.name)))
    await eventually(lambda: proxy.registry.is_connected(HOST), "agent")
    return tls


async def control_hello(tls: TlsConnection) -> ProxyHello:
    length = frames.body_length(await tls.read_exactly(4))
    return msgspec.json.decode(await tls.read_exactly(length), type=ProxyHello)


async def data_connection(
    cluster: Cluster, proxy: TunnelProxy, control_id: str, host_id: str = HOST
) -> TlsConnection:
    """Up to the welcome, which is read."""
    sock = await connect(proxy.address)
    context = cluster.client_context(cluster.host(host_id), ALPN_TUNNEL_DATA)
    tls = await TlsConnection.connect(sock, context, PROXY_SERVER_NAME)
    await tls.write(frames.encode(DataHello(host_id, control_id, "data-1")))
    length = frames.body_length(await tls.read_exactly(4))
    await tls.read_exactly(length)
    return tls


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
