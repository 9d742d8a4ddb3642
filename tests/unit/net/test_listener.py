"""Accepting within limits, and looking at what came."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator

import pytest
from data_plane import eventually, tcp_pair

from teleport.foundation.errors import Unavailable
from teleport.net.address import Address
from teleport.net.connection_limits import ConnectionCounter, ConnectionLimits
from teleport.net.listener import Accepted, Listener, listen
from teleport.net.peek import peek
from teleport.wire import opening
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.opening import MAX_SIZE, Plain


class Port:
    """A listener that keeps what it accepted."""

    def __init__(self, address: Address, limits: ConnectionLimits | None = None) -> None:
        self.accepted: list[Accepted] = []
        self.listener = Listener(listen(address), self.accepted.append, ConnectionCounter(limits))
        self.listener.start()

    @property
    def number(self) -> int:
        return self.listener.addresses[0].port

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        connection = socket.create_connection((host, self.number))
        connection.settimeout(20)
        return connection

    def close(self) -> None:
        self.listener.close()
        for accepted in self.accepted:
            accepted.close()


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    port = Port(Address("127.0.0.1", 0))
    yield port
    port.close()


async def test_accepted_sockets_are_tuned(port: Port) -> None:
    port.connect()
    await eventually(lambda: bool(port.accepted), "accepted")
    sock = port.accepted[0].sock
    assert not sock.getblocking()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.proto == socket.IPPROTO_TCP
    assert port.accepted[0].client.host == "127.0.0.1"


async def test_one_socket_serves_both_families() -> None:
    port = Port(Address("", 0))
    port.connect("127.0.0.1")
    port.connect("::1")
    await eventually(lambda: len(port.accepted) == 2, "both accepted")
    assert {accepted.client.host for accepted in port.accepted} == {"127.0.0.1", "::1"}
    port.close()


async def test_connections_past_the_limit_of_an_address_are_reset() -> None:
    port = Port(Address("127.0.0.1", 0), ConnectionLimits(unproven_per_ip=2))
    kept = [port.connect(), port.connect()]
    await eventually(lambda: len(port.accepted) == 2, "two accepted")
    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(port.connect().recv, 1)
    other = socket.create_connection(("127.0.0.1", port.number), source_address=("127.0.0.2", 0))
    await eventually(lambda: len(port.accepted) == 3, "another address is not affected")
    port.accepted[0].slot.prove()
    kept.append(port.connect())
    await eventually(lambda: len(port.accepted) == 4, "a proven connection makes room")
    other.close()
    port.close()


def test_slots_count_once_and_come_back() -> None:
    counter = ConnectionCounter(ConnectionLimits(total=3, per_ip=2, unproven_total=2, unproven_per_ip=1))
    first = counter.admit("192.0.2.1")
    assert first is not None
    assert counter.admit("192.0.2.1") is None, "one unproven per address"
    first.prove()
    first.prove()
    second = counter.admit("192.0.2.1")
    assert second is not None
    second.prove()
    assert counter.admit("192.0.2.1") is None, "two per address"
    third = counter.admit("192.0.2.2")
    assert third is not None
    assert counter.admit("192.0.2.3") is None, "three in all"
    for slot in (first, second, third, third):
        slot.release()
    assert (counter.open, counter.unproven) == (0, 0)
    assert counter.refused == 3


def test_a_connection_moves_to_the_client_behind_a_balancer() -> None:
    counter = ConnectionCounter(ConnectionLimits(unproven_per_ip=1))
    balancer = counter.admit("192.0.2.1")
    assert balancer is not None
    client = counter.move(balancer, "203.0.113.1")
    assert client is not None
    again = counter.admit("192.0.2.1")
    assert again is not None, "the balancer has room"
    assert counter.move(again, "203.0.113.1") is None, "the client has none"
    client.release()
    assert (counter.open, counter.unproven, counter.refused) == (0, 0, 1)


def test_an_ipv6_network_counts_as_one() -> None:
    counter = ConnectionCounter(ConnectionLimits(unproven_per_ip=1))
    assert counter.admit("2001:db8::1") is not None
    assert counter.admit("2001:db8::ffff") is None
    assert counter.admit("2001:db8:0:1::1") is not None


async def test_running_out_of_descriptors_pauses_and_recovers(port: Port) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = [port.connect() for _ in range(3)]
    await eventually(lambda: len(port.accepted) == 3, "accepted")
    late = socket.socket()
    fillers: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (late.fileno() + 20, hard))
    try:
        fill_up(fillers)
        late.connect(("127.0.0.1", port.number))
        await asyncio.sleep(0.1)
        assert len(port.accepted) == 3
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await eventually(lambda: len(port.accepted) == 4, "accepted once there was room")
    for connection in (*waiting, late):
        connection.close()


def fill_up(descriptors: list[int]) -> None:
    """Open descriptors until there are no more."""
    while True:
        try:
            descriptors.append(os.dup(0))
        except OSError:
            return


async def test_an_address_in_use_is_told(port: Port) -> None:
    with pytest.raises(Unavailable, match=r"cannot listen on 127\.0\.0\.1"):
        listen(Address("127.0.0.1", port.number))


async def test_peeking_takes_nothing() -> None:
    client, accepted = tcp_pair()
    client.send(b"SSH-2.0-test\r\n")
    assert await peek(accepted, opening.parse, max_size=MAX_SIZE, timeout=5) == Plain("ssh")
    assert accepted.recv(100) == b"SSH-2.0-test\r\n"
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


async def test_a_dripping_client_wakes_nobody_and_runs_out_of_time() -> None:
    client, accepted = tcp_pair()
    looks = 0

    def count(data: bytes) -> object:
        nonlocal looks
        looks += 1
        return opening.parse(data)

    async def drip() -> None:
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40):
            client.send(bytes([byte]))
            await asyncio.sleep(0.01)

    dripping = asyncio.get_running_loop().create_task(drip())
    with pytest.raises(Unavailable, match="within"):
        await peek(accepted, count, max_size=MAX_SIZE, timeout=0.4)
    assert looks <= 3
    await dripping


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00half"])
async def test_a_client_that_ends_early_is_noticed_at_once(sent: bytes) -> None:
    client, accepted = tcp_pair()
    client.send(sent)
    client.shutdown(socket.SHUT_WR)
    with pytest.raises((RemoteProtocolError, Unavailable)):
        await asyncio.wait_for(peek(accepted, opening.parse, max_size=MAX_SIZE, timeout=60), 20)


async def test_a_reset_while_looking_is_noticed() -> None:
    client, accepted = tcp_pair()
    looking = asyncio.get_running_loop().create_task(peek(accepted, opening.parse, max_size=MAX_SIZE, timeout=60))
    await asyncio.sleep(0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(looking, 20)
