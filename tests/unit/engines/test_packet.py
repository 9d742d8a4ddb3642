"""The short packet path and asyncssh's own: whatever one sends the other reads, and both end alike."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import asyncssh
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from teleport.engines.ssh.inlet import Inlet
from teleport.engines.ssh.packet import TunedChannel, TunedConnection, _Arrivals

GCM, CTR = "aes128-gcm@openssh.com", "aes256-ctr"
SIZE = 5_000_000


class TunedServer(TunedConnection, asyncssh.SSHServerConnection):
    """The short path on the server."""

    def create_server_channel(self, *_: Any, **__: Any) -> asyncssh.SSHServerChannel[bytes]:
        return _Channel(self, self._loop, True, False, False, 0, 0, None, "strict", self._window, self._max_pktsize)


class _Channel(TunedChannel, asyncssh.SSHServerChannel[bytes]):
    pass


class StockServer(asyncssh.SSHServerConnection):
    """asyncssh as it is."""


class Echo(asyncssh.SSHServerSession[bytes]):
    """Gives back what it is sent, in pieces of another size."""

    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        return True

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._channel.write(data)

    def pause_writing(self) -> None:
        self._channel.pause_reading()

    def resume_writing(self) -> None:
        self._channel.resume_reading()

    def eof_received(self) -> bool:
        self._channel.exit(0)
        return True


class LentEcho(Echo):
    """Keeps nothing of what it is shown: an answer is made of it at once, or copied."""

    borrows_input = True


class Owner(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Echo:
        return Echo()


class Lender(Owner):
    def session_requested(self) -> Echo:
        return LentEcho()


@asynccontextmanager
async def server(
    kind: type[asyncssh.SSHServerConnection], owner: type[Owner] = Owner, **options: Any
) -> AsyncIterator[int]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    settings = await asyncssh.SSHServerConnectionOptions.construct(
        server_factory=owner, server_host_keys=[key], encoding=None, gss_host=None, config=None, **options
    )
    loop = asyncio.get_running_loop()

    def protocol() -> asyncio.BaseProtocol:
        connection = kind(loop, settings)
        return Inlet(connection) if type(connection) is TunedServer else connection

    listening = await loop.create_server(protocol, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with asyncssh.connect(
        "127.0.0.1", port, username="x", known_hosts=None, config=None, client_keys=None, agent_path=None, **options
    ) as client:
        yield client


async def carried(port: int, data: bytes, **options: Any) -> bytes:
    """What comes back of `data`."""
    async with connected(port, **options) as client:
        ran = await client.run("echo", input=data, encoding=None, check=True)
        assert isinstance(ran.stdout, bytes)
        return ran.stdout


class ChoppedServer(TunedServer):
    """Gets what arrives in pieces that end anywhere: within lengths, contents and tags."""

    _turn = 0

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        start = 0
        while start < len(data):
            self._turn += 1
            end = start + (1, 3, 21, 40_000, 5, 32_804, 100_000, 2)[self._turn % 8]
            super().data_received(data[start:end], datatype)
            start = end


@pytest.mark.parametrize("kind", [TunedServer, ChoppedServer, StockServer])
@pytest.mark.parametrize("cipher", [GCM, CTR])
async def test_everything_comes_back_as_it_was(kind: type[asyncssh.SSHServerConnection], cipher: str) -> None:
    data = os.urandom(SIZE)
    async with server(kind, encryption_algs=[cipher]) as port:
        back = await carried(port, data)
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("side", ["server", "client"])
async def test_new_keys_in_the_middle_lose_nothing(side: str) -> None:
    data = os.urandom(SIZE)
    limit: dict[str, Any] = {"rekey_bytes": 300_000}
    async with server(TunedServer, encryption_algs=[GCM], **(limit if side == "server" else {})) as port:
        assert await carried(port, data, **(limit if side == "client" else {})) == data


@pytest.mark.parametrize("size", [1, 15, 16, 17, 32767, 32768, 32769, 65536, 262144, 262145])
async def test_every_size_of_packet_fits(size: int) -> None:
    data = os.urandom(size)
    async with server(TunedServer, encryption_algs=[GCM]) as port:
        assert await carried(port, data) == data


@pytest.mark.parametrize("cipher", [GCM, CTR])
@pytest.mark.parametrize(("window", "packet"), [(70_000, 32_768), (3_000, 1_000)])
async def test_a_peer_with_little_room_gets_everything(cipher: str, window: int, packet: int) -> None:
    data = os.urandom(300_000)
    async with server(TunedServer, encryption_algs=[cipher]) as port, connected(port) as client:
        ran = await client.run("echo", input=data, encoding=None, window=window, max_pktsize=packet)
    assert ran.stdout == data


@pytest.mark.parametrize("owner", [Owner, Lender])
async def test_channels_side_by_side_keep_their_own(owner: type[Owner]) -> None:
    inputs = [os.urandom(1_000_000) for _ in range(4)]
    async with server(TunedServer, owner, encryption_algs=[GCM]) as port, connected(port) as client:
        ran = await asyncio.gather(*(client.run("echo", input=data, encoding=None) for data in inputs))
    assert [one.stdout for one in ran] == inputs


async def test_a_peer_that_takes_no_data_in_a_packet_is_sent_away() -> None:
    async with server(TunedServer, encryption_algs=[GCM]) as port, connected(port) as client:
        with pytest.raises(asyncssh.Error):
            await client.run("echo", input=b"x", encoding=None, max_pktsize=0, check=True)
        async with asyncio.timeout(10):
            await client.wait_closed()


class _Flipping(asyncssh.SSHClientConnection):
    """Changes one bit of what it sends, once it is logged in."""

    def _send(self, data: bytes) -> None:
        if self._auth_complete and len(data) > 4000:
            data = data[:2000] + bytes((data[2000] ^ 1,)) + data[2001:]
        super()._send(data)


@pytest.mark.parametrize("kind", [TunedServer, StockServer])
async def test_a_changed_bit_ends_the_connection(kind: type[asyncssh.SSHServerConnection]) -> None:
    async with server(kind, encryption_algs=[GCM]) as port:
        settings = await asyncssh.SSHClientConnectionOptions.construct(
            known_hosts=None, client_keys=None, agent_path=None, config=None, username="x"
        )
        settings.waiter = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: _Flipping(loop, settings, wait="auth"), "127.0.0.1", port)
        await settings.waiter
        ran = await client.run("echo", input=bytes(100_000), encoding=None)
        assert ran.exit_status is None
        async with asyncio.timeout(10):
            await client.wait_closed()


async def test_what_came_before_a_changed_bit_stays_as_it_was() -> None:
    """Opening a packet writes over the end of the one before it, for as long as it is looked at."""
    key = AESGCM(bytes(16))
    cipher: Any = SimpleNamespace(open=lambda packet, content: key.decrypt_into(bytes(12), packet[4:], None, content))
    first = memoryview(bytes(4) + key.encrypt(bytes(12), bytes(10) + b"first" + bytes(5), None))
    arrivals, channel = _Arrivals(), Mock()
    arrivals.open(cipher, first)
    arrivals.keep(channel, 5)

    def fail(packet: memoryview, content: memoryview) -> None:
        content[:] = b"x" * len(content)
        raise asyncssh.misc.MACError("no")

    with pytest.raises(asyncssh.misc.MACError):
        arrivals.open(cast("Any", SimpleNamespace(open=fail)), first)
    arrivals.deliver()
    channel._accept_data.assert_called_once_with(b"first")


async def test_data_past_the_window_ends_the_connection_on_the_short_path_too() -> None:
    async with server(TunedServer, encryption_algs=[GCM], window=65536) as port, connected(port) as client:
        process = await client.create_process("echo", encoding=None)
        channel: Any = process.channel
        channel._send_window = 1 << 30
        channel._send_pktsize = 32768
        client._transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(400):
            channel.write(bytes(32768))
        async with asyncio.timeout(10):
            await client.wait_closed()
