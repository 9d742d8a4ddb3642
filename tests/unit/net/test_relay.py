"""Two sockets joined: bytes, ends, limits, and many flows at once."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from teleport.net.handoff import HandedOff
from teleport.net.relay import Relay
from teleport.net.relay_portable import PortableRelay
from teleport.net.relay_transfer import Transfer


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets on loopback; the second is non-blocking, as the relay's are."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    client.settimeout(30)
    accepted.setblocking(False)
    return client, accepted


class Joint:
    """A client and a server whose connections meet in the relay."""

    def __init__(self, relay: Relay, *, leftover: bytes = b"", idle_limit: float | None = None) -> None:
        self.client, a = tcp_pair()
        self.server, b = tcp_pair()
        self.ended: list[Transfer] = []
        self.flow = relay.join(HandedOff(a, leftover), HandedOff(b), idle_limit=idle_limit, on_end=self.ended.append)

    async def end(self) -> Transfer:
        async with asyncio.timeout(30):
            while not self.ended:
                await asyncio.sleep(0.005)
        return self.ended[0]


async def heard(sock: socket.socket, size: int) -> bytes:
    """What comes next; read in a thread, as a relay may need this one."""
    return await asyncio.to_thread(sock.recv, size)


def read_to_end(sock: socket.socket) -> bytes:
    pieces = []
    while piece := sock.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.fixture(params=[Relay, PortableRelay])
async def relay(request: pytest.FixtureRequest) -> AsyncIterator[Relay]:
    """Both relays keep the same promises."""
    relay: Relay = request.param()
    relay.start()
    yield relay
    relay.close()


@pytest.fixture
def threaded() -> Iterator[Relay]:
    relay = Relay(bulk_lanes=2)
    relay.start()
    yield relay
    relay.close()


async def test_bytes_pass_both_ways_and_are_counted(relay: Relay) -> None:
    joint = Joint(relay)
    joint.client.sendall(b"question")
    assert await heard(joint.server, 100) == b"question"
    joint.server.sendall(b"an answer")
    assert await heard(joint.client, 100) == b"an answer"
    joint.client.close()
    joint.server.close()
    assert await joint.end() == Transfer(8, 9, "finished")
    assert len(relay) == 0
    assert relay.bytes_moved == 17


async def test_leftover_bytes_come_first(relay: Relay) -> None:
    joint = Joint(relay, leftover=b"early ")
    joint.client.sendall(b"bird")
    received = b""
    while len(received) < 10:
        received += await heard(joint.server, 100)
    assert received == b"early bird"


async def test_one_direction_may_end_while_the_other_goes_on(relay: Relay) -> None:
    joint = Joint(relay)
    joint.client.sendall(b"all I have")
    joint.client.shutdown(socket.SHUT_WR)
    assert await asyncio.to_thread(read_to_end, joint.server) == b"all I have"
    joint.server.sendall(b"late answer")
    assert await heard(joint.client, 100) == b"late answer"
    assert not joint.ended
    joint.server.close()
    assert await joint.end() == Transfer(10, 11, "finished")


@pytest.mark.parametrize("size", [1, 40_000, 65_536, 65_537, 3_000_000, 40_000_000])
async def test_bulk_arrives_whole_in_both_directions_at_once(relay: Relay, size: int) -> None:
    joint = Joint(relay)
    up, down = os.urandom(size), os.urandom(size)

    def send(sock: socket.socket, data: bytes) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(send, joint.client, up))
        group.create_task(asyncio.to_thread(send, joint.server, down))
        at_server = group.create_task(asyncio.to_thread(read_to_end, joint.server))
        at_client = group.create_task(asyncio.to_thread(read_to_end, joint.client))
    assert at_server.result() == up
    assert at_client.result() == down
    assert await joint.end() == Transfer(size, size, "finished")


async def test_a_slow_reader_holds_its_sender_back_and_loses_nothing(relay: Relay) -> None:
    joint = Joint(relay)
    data = os.urandom(20_000_000)
    sending = asyncio.get_running_loop().run_in_executor(None, joint.client.sendall, data)
    while True:
        before = joint.flow.moved
        await asyncio.sleep(0.1)
        if before and joint.flow.moved == before:
            break  # nobody reads: buffers of the kernel are full, ours stay small
    assert joint.flow.moved < len(data)
    received = b""
    while len(received) < len(data):
        received += await asyncio.to_thread(joint.server.recv, 1 << 20)
    await sending
    assert received == data


async def test_a_reset_of_one_side_delivers_what_came_before_and_ends_the_other(relay: Relay) -> None:
    joint = Joint(relay)
    joint.server.sendall(b"last words")
    assert await heard(joint.client, 100) == b"last words"
    joint.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    joint.server.close()
    assert await heard(joint.client, 100) == b""
    transfer = await joint.end()
    assert (transfer.from_b, transfer.reason) == (10, "lost")


async def test_words_sent_just_before_closing_arrive_although_the_other_side_still_talks(relay: Relay) -> None:
    for _ in range(50):
        joint = Joint(relay)
        joint.client.sendall(b"x" * 1000)
        joint.server.sendall(b"goodbye")
        await heard(joint.server, 1)  # leaves bytes unread: closing now resets
        joint.server.close()
        received = b""
        while piece := await heard(joint.client, 100):
            received += piece
        assert received in (b"goodbye", b"")  # the kernel may drop it, we may not hang
        joint.client.close()
        await joint.end()


async def test_an_idle_connection_is_ended(relay: Relay) -> None:
    joint = Joint(relay, idle_limit=0.1)
    assert await asyncio.to_thread(joint.client.recv, 1) == b""
    assert (await joint.end()).reason == "idle"


async def test_a_connection_can_be_ended_from_outside(relay: Relay) -> None:
    joint = Joint(relay)
    relay.end(joint.flow)
    assert await asyncio.to_thread(joint.client.recv, 1) == b""
    assert (await joint.end()).reason == "closed"


async def test_closing_the_relay_ends_everything(relay: Relay) -> None:
    joints = [Joint(relay) for _ in range(20)]
    relay.close()
    for joint in joints:
        assert (await joint.end()).reason == "closed"
        assert await heard(joint.client, 1) == b""


async def test_drain_waits_for_the_last_connection(relay: Relay) -> None:
    joint = Joint(relay)
    assert not await relay.drain(0.05)
    joint.client.close()
    joint.server.close()
    assert await relay.drain(10)


async def test_busy_flows_move_to_their_own_threads_and_come_back(threaded: Relay) -> None:
    joint = Joint(threaded)
    data = b"z" * (8 << 20)
    for _ in range(100):
        sending = asyncio.get_running_loop().run_in_executor(None, joint.client.sendall, data)
        left = len(data)
        while left:
            left -= len(await asyncio.to_thread(joint.server.recv, 1 << 20))
        await sending
        if joint.flow.lane is not threaded.main_lane:
            break
    assert joint.flow.lane is not threaded.main_lane, "a bulk flow never left the shared thread"
    async with asyncio.timeout(20):
        while joint.flow.lane is not threaded.main_lane:
            joint.client.sendall(b"k")
            assert await heard(joint.server, 1) == b"k"
            await asyncio.sleep(0.02)


async def test_descriptors_are_given_back(relay: Relay) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        joint = Joint(relay)
        joint.client.sendall(b"x" * 100_000)
        joint.client.close()
        await asyncio.to_thread(read_to_end, joint.server)
        joint.server.close()
        await joint.end()
    assert len(os.listdir("/proc/self/fd")) <= before + 2 * 16 + 2  # free pipes are kept
