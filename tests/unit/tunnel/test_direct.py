"""A proxy at the port where a host listens itself: both prove who they are, and SSH clients are let be."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from data_plane import Cluster

from teleport.credentials import tls_contexts
from teleport.credentials.peers import verify_host
from teleport.foundation.errors import Unavailable
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.tunnel import direct
from teleport.tunnel.direct import dial_host, is_from_proxy, receive_from_proxy
from teleport.tunnel.messages import IncomingRequest
from teleport.wire.tls_names import ALPN_HOST

HOST = "0b6a2a66-5f0e-4a25-8d9a-2d8d3c3a5b01"
OTHER = "0b6a2a66-5f0e-4a25-8d9a-2d8d3c3a5b02"
REQUEST = IncomingRequest(kind="node", resource_id=HOST, user="alice", client_addr="192.0.2.1:5", is_from_proxy=True)


@dataclass
class Port:
    """Where a host listens: what came for it, and what was turned away."""

    address: Address
    came: list[tuple[HandedOff, IncomingRequest]] = field(default_factory=list)
    refused: list[Exception] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def done(self) -> None:
        async with asyncio.timeout(30):
            await self.ended.wait()


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@asynccontextmanager
async def port_of(cluster: Cluster, host: str = HOST) -> AsyncIterator[Port]:
    chain, key = cluster.host(host)
    context = tls_contexts.server_context(
        chain, key, client_ca_pems=(cluster.host_ca.tls.certificate,), require_client_certificate=True,
        alpn=(ALPN_HOST,),
    )  # fmt: skip

    def check(certificate: bytes | None) -> None:
        verify_host(certificate or b"", cluster.authorities(), cluster.now, cluster=cluster.name, roles=("Proxy",))

    async def accept() -> None:
        sock, _ = await asyncio.get_running_loop().sock_accept(listening)
        sock.setblocking(False)
        try:
            port.came.append(await receive_from_proxy(sock, context, check))
        except Exception as problem:
            port.refused.append(problem)
        finally:
            port.ended.set()

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        port = Port(Address("127.0.0.1", listening.getsockname()[1]))
        accepting = asyncio.get_running_loop().create_task(accept())
        try:
            yield port
            await port.done()
        finally:
            accepting.cancel()
            for raw, _ in port.came:
                raw.close()


def shown(cluster: Cluster, pair: tuple[str, str]) -> ssl.SSLContext:
    return cluster.client_context(pair, ALPN_HOST)


async def test_the_proxy_says_who_comes_and_the_connection_goes_on_bare(cluster: Cluster) -> None:
    async with port_of(cluster) as port:
        context = shown(cluster, cluster.host("proxy-1", "Proxy"))
        raw = await dial_host(port.address, context, f"{HOST}.{cluster.name}", REQUEST)
        await port.done()
        ((theirs, request),) = port.came
        assert request == REQUEST
        with raw.sock, theirs.sock:
            loop = asyncio.get_running_loop()
            for source, target in ((raw, theirs), (theirs, raw)):
                await loop.sock_sendall(source.sock, b"through")
                assert source.leftover == b""
                assert await loop.sock_recv(target.sock, 100) == b"through"


@pytest.mark.parametrize(
    "pair",
    [lambda cluster: cluster.host(OTHER), lambda cluster: cluster.user()],
    ids=["another host", "a person"],
)
async def test_nobody_but_a_proxy_speaks_for_others(
    cluster: Cluster, pair: Callable[[Cluster], tuple[str, str]]
) -> None:
    """Who could say `is_from_proxy` would come in as anybody."""
    async with port_of(cluster) as port:
        with pytest.raises(Unavailable):
            await dial_host(port.address, shown(cluster, pair(cluster)), f"{HOST}.{cluster.name}", REQUEST)
    assert not port.came
    assert port.refused


async def test_another_host_at_the_address_is_not_taken_for_the_one_meant(cluster: Cluster) -> None:
    async with port_of(cluster, OTHER) as port:
        with pytest.raises(Unavailable, match="is not the host"):
            await dial_host(
                port.address, shown(cluster, cluster.host("proxy-1", "Proxy")), f"{HOST}.{cluster.name}", REQUEST
            )
    assert not port.came


@pytest.mark.parametrize(("said", "is_proxy"), [(b"SSH-2.0-x\r\n", False), (b"\x16\x03\x01", True), (b"", False)])
async def test_who_comes_is_told_by_the_first_byte_and_who_says_nothing_waits_for_ours(
    monkeypatch: pytest.MonkeyPatch, said: bytes, is_proxy: bool
) -> None:
    monkeypatch.setattr(direct, "SPEAKS_WITHIN", 0.05 if not said else 10.0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(said)
        assert await is_from_proxy(ours) is is_proxy
        with contextlib.suppress(BlockingIOError):
            assert ours.recv(100) == said


async def test_who_says_nothing_more_may_still_listen() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.shutdown(socket.SHUT_WR)
        assert not await is_from_proxy(ours)
