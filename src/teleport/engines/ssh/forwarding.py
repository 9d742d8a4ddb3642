"""Sockets joined with channels: what a client forwards to this host's network, and what it listens for here."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable
from typing import Any, Protocol, cast

import asyncssh
from asyncssh.channel import SSHChannel

CONNECT_TIMEOUT = 30.0
EARLY_LIMIT = 1 << 20


class Far(Protocol):
    """The far end of a forward: a connected socket, or a channel to another SSH server.

    Nothing is read from it before `attach`.
    """

    def attach(self, channel: SSHChannel[bytes]) -> None:
        """The client's channel is there: what was read goes into it."""
        ...

    def write(self, data: bytes) -> None: ...

    def end(self) -> None:
        """Nothing more will be written."""
        ...

    def pause(self) -> None:
        """Read nothing until `resume`."""
        ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


Arrived = Callable[[Far, tuple[str, int]], None]
"""Somebody connected to what is listened on: the connection, and the address it came from."""


class SocketSide(asyncio.Protocol):
    """The socket of a forward. What comes before the channel is there waits, and the socket with it."""

    def __init__(self, touch: Callable[[], None]) -> None:
        self._touch = touch
        self._channel: SSHChannel[bytes] | None = None
        self._early: list[bytes] = []
        self._has_ended = False
        self._is_written = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def attach(self, channel: SSHChannel[bytes]) -> None:
        self._channel = channel
        for data in self._early:
            channel.write(data)
        self._early.clear()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
        if self._has_ended:
            channel.write_eof()
        elif self.transport is None:
            channel.close()

    def data_received(self, data: bytes) -> None:
        self._touch()
        if self._channel is None:
            self._early.append(data)
        elif not self._channel.is_closing():
            self._channel.write(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write_eof()
        return not self._is_written  # both directions are done: the socket may close

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def end(self) -> None:
        """The channel has nothing more to write."""
        self._is_written = True
        if self.transport is None or self.transport.is_closing():
            return
        if self._has_ended:
            self.transport.close()
            return
        with contextlib.suppress(OSError):
            self.transport.write_eof()

    def pause_writing(self) -> None:
        if self._channel is not None:
            self._channel.pause_reading()

    def resume_writing(self) -> None:
        if self._channel is not None:
            self._channel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._channel is not None:
            self._channel.close()


class ChannelSide(asyncssh.SSHTCPSession[bytes], asyncssh.SSHUNIXSession[bytes]):
    """The client's channel of a forward, joined with its far end once it is open."""

    def __init__(self, far: Far, touch: Callable[[], None], closed: Callable[[], None]) -> None:
        self._far = far
        self._touch = touch
        self._closed = closed
        self._channel: Any = None

    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def session_started(self) -> None:
        self._far.attach(self._channel)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._touch()
        self._far.write(data)

    def eof_received(self) -> bool:
        self._far.end()
        return True

    def pause_writing(self) -> None:
        self._far.pause()

    def resume_writing(self) -> None:
        self._far.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._far.close()
        self._closed()


async def connect_tcp(host: str, port: int, touch: Callable[[], None]) -> SocketSide:
    """Raises OSError, TimeoutError."""
    async with asyncio.timeout(CONNECT_TIMEOUT):
        _, side = await asyncio.get_running_loop().create_connection(lambda: SocketSide(touch), host, port)
    return side


async def adopt(sock: socket.socket, touch: Callable[[], None]) -> SocketSide:
    """Take over a connected socket."""
    _, side = await asyncio.get_running_loop().create_connection(lambda: SocketSide(touch), sock=sock)
    return side


class Listener(asyncssh.SSHListener):
    """Accepts on sockets of ours and gives each connection to `arrived`; closing it closes them."""

    def __init__(
        self, sockets: list[socket.socket], arrived: Callable[[socket.socket], None], closed: Callable[[], None]
    ) -> None:
        super().__init__()
        self._sockets = sockets
        self._arrived = arrived
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        for sock in sockets:
            sock.setblocking(False)
            self._loop.add_reader(sock, self._accept, sock)

    def get_port(self) -> int:
        name = self._sockets[0].getsockname() if self._sockets else ()
        return int(name[1]) if isinstance(name, tuple) and len(name) > 1 else 0

    def _accept(self, sock: socket.socket) -> None:
        try:
            accepted, _ = sock.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # out of descriptors: whoever waits goes on waiting
            self._loop.remove_reader(sock)
            self._loop.call_later(1.0, self._accept_again, sock)
            return
        accepted.setblocking(False)
        self._arrived(accepted)

    def _accept_again(self, sock: socket.socket) -> None:
        if sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def close(self) -> None:
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            self._loop.remove_reader(sock)
            sock.close()
        if sockets:
            self._closed()

    async def wait_closed(self) -> None:
        return


def listen_tcp(port: int) -> list[socket.socket]:
    """Listen on the loopback addresses of this host, for programs of this host. Raises OSError."""
    first = _listen(socket.AF_INET, "127.0.0.1", port)
    sockets = [first]
    with contextlib.suppress(OSError):
        sockets.append(_listen(socket.AF_INET6, "::1", first.getsockname()[1]))
    return sockets


async def listen_at(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of that name; empty and `*` are all there are. Raises OSError."""
    name = "" if host == "*" else host
    async with asyncio.timeout(CONNECT_TIMEOUT):
        found = await asyncio.get_running_loop().getaddrinfo(
            name or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in sorted(found, key=lambda one: one[0]):
            bound = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(_listen(family, str(address[0]), bound))
            except OSError:
                if not sockets:
                    raise
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
