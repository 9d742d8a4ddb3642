"""Connections meant for auth pass through unread: client and auth check each other's certificates end to end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from teleport.foundation.errors import Unavailable
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.net.relays import Relay, RelayFlow
from teleport.net.sockets import connect
from teleport.proxy.gateways.gateway import Arrival

_ALERT = bytes.fromhex("15 0303 0002 02 50")
"""A fatal TLS alert, internal_error: what can be said to who has not been spoken to yet (RFC 8446, section 6)."""


Vouch = Callable[[Address, Address], bytes]
"""A PROXY header that tells auth the client's address and proves that this proxy says it."""


class AuthRoute(Protocol):
    """A way to auth. Takes the socket and the slot."""

    async def pass_on(self, arrival: Arrival) -> None: ...


class AuthAcceptor:
    """Auth runs in this process and accepts the socket itself: `accept(connection, client)`."""

    def __init__(self, accept: Callable[[HandedOff, Address, Callable[[], None]], None]) -> None:
        self._accept = accept

    async def pass_on(self, arrival: Arrival) -> None:
        arrival.slot.prove()  # auth has limits of its own
        self._accept(HandedOff(arrival.sock), arrival.client, arrival.slot.release)


class AuthAddress:
    """Auth is elsewhere: the connection is joined to one to one of `addresses`, behind what `vouch` says of the
    client's and the server's address, for an auth service that takes a PROXY header.
    """

    def __init__(
        self,
        addresses: Callable[[], list[Address]],
        relay: Relay,
        *,
        vouch: Vouch | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._addresses = addresses
        self._relay = relay
        self._vouch = vouch
        self._timeout = timeout
        self._flows: set[RelayFlow] = set()

    async def pass_on(self, arrival: Arrival) -> None:
        upstream = HandedOff(await self._connect())
        try:
            if self._vouch is not None:
                header = self._vouch(arrival.client, arrival.server)
                upstream.sock.send(header)  # fits the empty buffer of a new connection
        except BaseException:
            upstream.close()
            raise
        arrival.slot.prove()
        self._join(arrival, upstream)

    def end_all(self) -> None:
        """Break off what is joined."""
        for flow in tuple(self._flows):
            self._relay.end(flow)

    def _join(self, arrival: Arrival, upstream: HandedOff) -> None:
        def ended(_: object) -> None:
            arrival.slot.release()
            self._flows.discard(flow)

        flow = self._relay.join(HandedOff(arrival.sock), upstream, on_end=ended)
        self._flows.add(flow)

    async def _connect(self) -> socket.socket:
        problem = Unavailable("no auth service is known")
        for address in self._addresses():
            try:
                return await connect(address, timeout=self._timeout)
            except Unavailable as failure:
                problem = failure
        raise problem


class AuthGateway:
    def __init__(self, auth: AuthRoute) -> None:
        self._auth = auth

    async def serve(self, arrival: Arrival) -> None:
        try:
            await self._auth.pass_on(arrival)
        except Unavailable:
            _apologise(arrival.sock)
            raise


def _apologise(sock: socket.socket) -> None:
    """Tell apart from a broken network that auth cannot be reached from here."""
    with contextlib.suppress(OSError):
        sock.recv(64 * 1024)  # unread bytes would turn our answer into a reset
        sock.send(_ALERT)
