"""Rule 3: a forged host certificate makes nobody the proxy, neither for a client's dial nor for an agent's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from data_plane import QUICK, Cluster, eventually, quick_backoff

from teleport.credentials import tls_contexts, x509
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import NotAuthenticated
from teleport.net.address import Address
from teleport.net.listener import Accepted, Listener, listen
from teleport.net.tls import TlsConnection
from teleport.tunnel.agent_pool import AgentPool
from teleport.tunnel.dial import dial
from teleport.tunnel.messages import DialRequest
from teleport.wire.tls_names import ALPN_DIAL, ALPN_TUNNEL, PROXY_SERVER_NAME

NODE = "0b6a2a66-5f0e-4a25-8d9a-2d8d3c3a5b01"


def by_another_authority(cluster: Cluster) -> tuple[str, str]:
    return Cluster(cluster.name).host("proxy-1", "Proxy")


def an_agents_own(cluster: Cluster) -> tuple[str, str]:
    return cluster.host(NODE, "Node")


def signed_by_itself(cluster: Cluster) -> tuple[str, str]:
    key = PrivateKey.generate("ecdsa-p256")
    return x509.issue_server([PROXY_SERVER_NAME], key, cluster.now), key.pem()


def signed_by_the_user_authority(cluster: Cluster) -> tuple[str, str]:
    return cluster.user("proxy.teleport.cluster.local")


@asynccontextmanager
async def posing(pair: tuple[str, str], alpn: str) -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A server with this certificate, and what it was told."""
    context: ssl.SSLContext = tls_contexts.server_context(*pair, alpn=(alpn,))
    heard: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []

    async def serve(accepted: Accepted) -> None:
        tls = await TlsConnection.accept(accepted.sock, context)
        heard.append(await tls.read())

    def take(accepted: Accepted) -> None:
        tasks.append(asyncio.get_running_loop().create_task(serve(accepted)))

    listener = Listener(listen(Address("127.0.0.1", 0)), take)
    listener.start()
    try:
        yield listener.addresses[0], heard
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


FORGERIES = [by_another_authority, an_agents_own, signed_by_itself, signed_by_the_user_authority]


@pytest.mark.parametrize("forge", FORGERIES)
async def test_a_client_tells_it_nothing(forge: Callable[[Cluster], tuple[str, str]]) -> None:
    cluster = Cluster()
    async with posing(forge(cluster), ALPN_DIAL) as (address, heard):
        with pytest.raises(NotAuthenticated):
            await dial(address, DialRequest(target="x"), cluster.client_context(cluster.user(), ALPN_DIAL))
        assert not heard


@pytest.mark.parametrize("forge", FORGERIES)
async def test_an_agent_tells_it_nothing(forge: Callable[[Cluster], tuple[str, str]]) -> None:
    cluster = Cluster()
    async with posing(forge(cluster), ALPN_TUNNEL) as (address, heard):
        pool = AgentPool(cluster.tunnel_identity(NODE), [address], timing=QUICK, backoff=quick_backoff)
        async with pool:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pool.wait_connected(), 0.5)
        assert not heard


async def test_the_real_one_is_told() -> None:
    cluster = Cluster()
    async with posing(cluster.host("proxy-1", "Proxy"), ALPN_TUNNEL) as (address, heard):
        pool = AgentPool(cluster.tunnel_identity(NODE), [address], timing=QUICK, backoff=quick_backoff)
        async with pool:
            await eventually(lambda: bool(heard), "the agent's word")
            assert not pool.connected, "nothing was answered"
