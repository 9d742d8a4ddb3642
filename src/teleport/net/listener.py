"""Accepts connections: few enough per turn for others to bear, within limits, and never dying of EMFILE."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from teleport.foundation.errors import LimitExceeded, Unavailable
from teleport.foundation.logs import get_logger
from teleport.net.address import Address, from_sockname
from teleport.net.connection_limits import ConnectionCounter, Slot
from teleport.net.sockets import tune

log = get_logger("net:listener")

BACKLOG = 4096

_ACCEPTS_PER_TURN = 32
_PAUSE = 0.25
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Accepted:
    """A new connection, tuned and non-blocking; whoever takes it closes the socket and releases the slot."""

    sock: socket.socket
    client: Address
    server: Address
    slot: Slot

    def count_under(self, client: Address) -> None:
        """Limits are those of the client, not of the balancer that all come through. Raises LimitExceeded."""
        slot = self.slot.counter.move(self.slot, client.host)
        if slot is None:
            reset(self.sock)
            raise LimitExceeded(f"too many connections from {client.host}")
        self.slot = slot

    def close(self) -> None:
        self.sock.close()
        self.slot.release()


class Inheritance:
    """Listening sockets that another process left open for this one, and those that this one may leave in turn.

    Connections that come between the two wait in the kernel and are accepted by the heir.
    """

    def __init__(self) -> None:
        self._left: list[socket.socket] = []
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()

    def receive(self, descriptors: Sequence[int]) -> None:
        """What is no listening socket is passed over."""
        for descriptor in descriptors:
            try:
                sock = socket.socket(fileno=descriptor)
                is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            except OSError:
                continue
            if is_listening:
                self._left.append(sock)

    def take(self, family: int, host: str, port: int) -> socket.socket | None:
        """The socket for an address, if there is one."""
        for sock in self._left:
            if sock.family == family and sock.getsockname()[:2] == (host, port):
                self._left.remove(sock)
                sock.setblocking(False)
                return sock
        return None

    def discard(self) -> None:
        """Close what nobody took: nobody would ever accept there."""
        while self._left:
            self._left.pop().close()

    def add(self, listener: Listener) -> None:
        self._listeners.add(listener)

    def descriptors(self) -> list[int]:
        """Of all open listeners of this process."""
        return [descriptor for listener in self._listeners for descriptor in listener.descriptors]


inheritance = Inheritance()
"""There is one, as there is one table of descriptors in a process."""


def listen(address: Address, *, backlog: int = BACKLOG, reuse_port: bool = False) -> list[socket.socket]:
    """Listening sockets for an address: one for both families where the host is empty or `::`. Raises Unavailable."""
    host = address.host or "::"
    try:
        families = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as problem:
        raise Unavailable(f"cannot listen on {address}: {problem.strerror or problem}") from problem
    names = dict.fromkeys((family, name) for family, _, _, _, name in families)
    opened: list[socket.socket] = []
    try:
        for family, name in names:
            opened.append(_listen_on(family, name, backlog, reuse_port))
    except OSError as problem:
        for sock in opened:
            sock.close()
        if host == "::" and problem.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return listen(Address("0.0.0.0", address.port), backlog=backlog, reuse_port=reuse_port)
        raise Unavailable(f"cannot listen on {address}: {problem.strerror or problem}") from problem
    return opened


def _listen_on(
    family: int, name: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes], backlog: int, reuse_port: bool
) -> socket.socket:
    if (inherited := inheritance.take(family, str(name[0]), int(name[1]))) is not None:
        return inherited
    # the protocol must be named: the event loop sets TCP_NODELAY only where it is
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if name[0] == "::" else 1)
        sock.bind(name)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """Calls `on_connection` for each connection within the limits; the callback must not block.

    Takes over the listening sockets. Connections past a limit are reset at once.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        on_connection: Callable[[Accepted], None],
        counter: ConnectionCounter | None = None,
    ) -> None:
        self._sockets = list(sockets)
        self._on_connection = on_connection
        self.counter = counter or ConnectionCounter()
        self._loop = asyncio.get_running_loop()
        self._paused: asyncio.TimerHandle | None = None
        self._is_closed = False
        inheritance.add(self)

    @property
    def descriptors(self) -> list[int]:
        return [] if self._is_closed else [sock.fileno() for sock in self._sockets]

    @property
    def addresses(self) -> list[Address]:
        return [from_sockname(sock.getsockname()) for sock in self._sockets]

    def start(self) -> None:
        self._paused = None
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept_some, sock)

    def close(self) -> None:
        """Stop accepting; accepted connections go on."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop_watching()
        for sock in self._sockets:
            sock.close()

    def _stop_watching(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
            return
        for sock in self._sockets:
            self._loop.remove_reader(sock)

    def _accept_some(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            if self._is_closed or self._paused:
                return
            try:
                sock, name = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as problem:
                if problem.errno not in _OUT_OF_RESOURCES:
                    log.warning("accept failed", error=problem)
                    return
                self._pause(problem)
                return
            self._admit(sock, from_sockname(name))

    def _admit(self, sock: socket.socket, client: Address) -> None:
        slot = self.counter.admit(client.host)
        if slot is None:
            reset(sock)
            return
        tune(sock)
        try:
            server = from_sockname(sock.getsockname())
        except OSError:
            server = Address("", 0)
        self._on_connection(Accepted(sock, client, server, slot))

    def _pause(self, problem: OSError) -> None:
        """Accepting again at once would only spin: wait until others have closed something."""
        log.warning("cannot accept for now", error=problem, retry_in=_PAUSE)
        self._stop_watching()
        self._paused = self._loop.call_later(_PAUSE, self.start)


def reset(sock: socket.socket) -> None:
    """Close so that the peer knows at once and no state stays behind."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()
