"""A stream goes on for the person who opened it, over a dial decided anew, with its token; for nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, ClassVar, cast

import pytest

from teleport.engines import resumption
from teleport.engines.engine import Connection, Post
from teleport.engines.resumption import MOST_STREAMS_OF_ONE, ResumableSshEngine
from teleport.net.handoff import HandedOff
from teleport.net.resumable import ResumablePipe
from teleport.tunnel.messages import IncomingRequest
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.resumption import LIMIT, MAGIC, ResumableStream

TOKEN = "ab" * 32


class Echo:
    """An engine that gives back what it is sent."""

    kind, protocol = "node", "ssh"

    async def serve(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError), connection.raw.sock as sock:
            while data := await loop.sock_recv(sock, 65536):
                await loop.sock_sendall(sock, data)

    def drain(self, way: str = "") -> None:
        pass

    async def close(self) -> None: ...


class Way:
    """What is looked at of a post: the proxies that lead to it."""

    proxies: ClassVar[list[str]] = ["p"]

    def tunnels(self) -> list[str]:
        return self.proxies


class Dialled:
    """The client's end of a connection to the engine."""

    def __init__(self, engine: ResumableSshEngine, **request: Any) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.setblocking(False)
        theirs.setblocking(False)
        known = {"user": "alice", "resource_id": "n", "login_hint": "root", "kind": "node", "resumption": TOKEN}
        incoming = IncomingRequest(**(known | request))
        connection = Connection(HandedOff(theirs), incoming, cast("Post", Way()))
        self.serving = asyncio.get_running_loop().create_task(engine.serve(connection))

    async def is_refused(self) -> bool:
        async with asyncio.timeout(20):
            refused = await asyncio.get_running_loop().sock_recv(self.sock, 100) == b""
        self.sock.close()
        return refused


@pytest.fixture
async def engine() -> AsyncIterator[ResumableSshEngine]:
    made = ResumableSshEngine(Echo())
    Way.proxies = ["p"]
    yield made
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_only_its_owner_goes_on_with_a_stream(engine: ResumableSshEngine) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        outer, inner = socket.socketpair()
        outer.setblocking(False)
        pipe = ResumablePipe(inner)
        running = asyncio.get_running_loop().create_task(pipe.run())
        first = Dialled(engine)
        carrying = asyncio.get_running_loop().create_task(pipe.carry(first.sock))
        await loop.sock_sendall(outer, b"one")
        assert await loop.sock_recv(outer, 10) == b"one"
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        await loop.sock_sendall(outer, b"two")  # while nobody carries it
        for other in ({"user": "mallory"}, {"login_hint": "admin"}, {"resource_id": "m"}, {"resumption": "cd" * 32}):
            assert await Dialled(engine, resumes=True, **other).is_refused(), other
        assert await Dialled(engine).is_refused()  # the token is taken: nobody begins anew under it
        again = Dialled(engine, resumes=True)
        carrying = asyncio.get_running_loop().create_task(pipe.carry(again.sock))
        assert await loop.sock_recv(outer, 10) == b"two"
        outer.close()
        await running
        await carrying


async def test_tokens_that_are_none_and_too_many_streams_are_refused(engine: ResumableSshEngine) -> None:
    assert await Dialled(engine, resumption="").is_refused()
    assert await Dialled(engine, resumption="short").is_refused()
    opened = [Dialled(engine, resumption=f"{number:064x}") for number in range(MOST_STREAMS_OF_ONE)]
    await asyncio.sleep(0)
    assert await Dialled(engine, resumption="f" * 64).is_refused()
    for one in opened:
        one.sock.close()


async def kept_for(engine: ResumableSshEngine, way: list[str]) -> float:
    """How long a stream is kept whose connection is closed, `way` being what leads here then."""
    Way.proxies = ["p"]
    dialled = Dialled(engine)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        await loop.sock_recv(dialled.sock, 100)
        Way.proxies, begun = way, loop.time()
        dialled.sock.close()
        await asyncio.wait({dialled.serving})
    return loop.time() - begun


async def test_a_stream_waits_for_a_proxy_that_starts_again_and_hardly_for_a_killed_program(
    engine: ResumableSshEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumption, "_LEFT_FOR", 0.1)
    monkeypatch.setattr(resumption, "_CLOSED_FOR", 3.0)
    assert await kept_for(engine, ["p"]) < 3.0 <= await kept_for(engine, [])
    assert await kept_for(engine, ["another"]) >= 3.0


def test_a_first_connection_waits_for_no_greeting() -> None:
    server, client = ResumableStream(), ResumableStream()
    server.begin(is_first=True)
    server.send(b"SSH-2.0-server")
    client.begin(is_first=True)
    client.send(b"SSH-2.0-client")
    assert client.feed(bytes(server.outbox)) == b"SSH-2.0-server"
    assert server.feed(bytes(client.outbox)) == b"SSH-2.0-client"
    server.lose()
    server.begin()
    server.send(b" and more")
    client.lose()
    client.begin()
    assert MAGIC in server.outbox
    assert b"more" not in server.outbox
    server.feed(bytes(client.outbox))
    assert client.feed(bytes(server.outbox)) == b" and more"


def joined(received: int = 0) -> ResumableStream:
    stream = ResumableStream()
    stream.begin()
    stream.feed(MAGIC + received.to_bytes(8, "big"))
    return stream


@pytest.mark.parametrize(
    "sent",
    [
        b"\x01\x00\x00\x00",  # data without any
        b"\x01\xff\xff\xff",  # more than a frame may hold, before one byte of it is kept
        b"\x02\x00\x00\x01\x00",  # an acknowledgement of the wrong size
        b"\x02\x00\x00\x08" + (1).to_bytes(8, "big"),  # of what was never sent
        b"\x09\x00\x00\x00",
    ],
)
def test_frames_that_cannot_be_end_the_connection(sent: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        joined().feed(sent)


def test_a_greeting_that_is_none_and_a_count_that_cannot_be() -> None:
    for greeting in (b"SSH-2.0-x", MAGIC + (5).to_bytes(8, "big")):
        stream = ResumableStream()
        stream.begin()
        with pytest.raises(RemoteProtocolError):
            stream.feed(greeting)


def test_who_is_not_heard_sends_no_more_than_is_kept() -> None:
    stream = joined()
    while stream.may_send:
        stream.send(b"x" * 65536)
    assert stream.unacknowledged <= LIMIT + 65536
