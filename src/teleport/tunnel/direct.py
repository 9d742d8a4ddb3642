"""Connections that a proxy opens to a host which keeps no tunnel: at the port where the host listens itself.

Both ends show their host certificates in TLS, the proxy says who comes and for what, and the same TCP connection goes
on bare, as a data connection of a tunnel does. The port also takes SSH from whoever comes without a proxy.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import msgspec

from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.net import frames
from teleport.net.address import Address
from teleport.net.frame_stream import receive_one
from teleport.net.handoff import HandedOff
from teleport.net.peek import peek
from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.tunnel.messages import DataWelcome, IncomingRequest
from teleport.wire.errors import RemoteProtocolError

TIMEOUT = 10.0
"""Seconds for all that is said before the connection is bare."""
SPEAKS_WITHIN = 1.0
"""Seconds in which a proxy says its first word; who says none by then is an SSH client that waits for ours."""

_TLS_HANDSHAKE = 0x16
_REQUEST = msgspec.json.Decoder(IncomingRequest)
_WELCOME = msgspec.json.Decoder(DataWelcome)


async def dial_host(
    address: Address, context: ssl.SSLContext, server_name: str, request: IncomingRequest, timeout: float = TIMEOUT
) -> HandedOff:
    """A raw connection to the host that proves to be `server_name` and takes it in `timeout` seconds.

    Raises Unavailable.
    """
    sock = await connect(address, timeout=timeout)
    try:
        tls = await TlsConnection.connect(sock, context, server_name, timeout=TIMEOUT)
        try:
            await tls.write(frames.encode(request))
            welcome = await receive_one(tls, _WELCOME, timeout=TIMEOUT)
            if welcome.refused:
                raise Unavailable(welcome.refused)
            return await tls.unwrap(timeout=TIMEOUT)
        except BaseException:
            tls.abort()
            raise
    except (NotAuthenticated, RemoteProtocolError) as problem:
        raise Unavailable(f"{address} is not the host that listens there: {problem}") from problem


async def is_from_proxy(sock: socket.socket) -> bool:
    """Whether a new connection begins as a proxy's does. Who says nothing (more) may listen all the same."""
    try:
        return await peek(sock, lambda data: data[0] == _TLS_HANDSHAKE, max_size=1, timeout=SPEAKS_WITHIN)
    except Unavailable:
        return False


async def receive_from_proxy(
    sock: socket.socket, context: ssl.SSLContext, check: Callable[[bytes | None], object]
) -> tuple[HandedOff, IncomingRequest]:
    """What a proxy brings; `check` raises for certificates that are no proxy's.

    Owns the socket. Raises Unavailable, NotAuthenticated, RemoteProtocolError.
    """
    tls = await TlsConnection.accept(sock, context, timeout=TIMEOUT)
    try:
        check(tls.peer_certificate)
        request = await receive_one(tls, _REQUEST, timeout=TIMEOUT)
        return await tls.unwrap(frames.encode(DataWelcome()), timeout=TIMEOUT), request
    except BaseException:
        tls.abort()
        raise
