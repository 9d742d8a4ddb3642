"""The one port: looks at each new connection, names its gateway, gives it away. Trusts nobody, waits for nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Literal

from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.net.address import Address
from teleport.net.listener import Accepted, reset
from teleport.net.peek import peek
from teleport.proxy.gateways.gateway import Arrival, ServesArrivals
from teleport.proxy.router import Gateway, route, unbuilt_name
from teleport.wire import opening as openings
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.opening import Opening
from teleport.wire.proxy_protocol import ProxyHeader

log = get_logger("proxy:port")

PROVE_WITHIN = 10.0

ProxyProtocol = Literal["on", "off", "unset"]

_HTTPS_ONLY = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 55\r\nconnection: close\r\n\r\n"
    b"This port speaks HTTPS: open the same address https://\n"
)


class SinglePort:
    """`take` each accepted connection. A peer has `prove_within` seconds to say what it wants and who it is."""

    def __init__(
        self,
        gateways: Mapping[Gateway, ServesArrivals],
        *,
        proxy_protocol: ProxyProtocol = "unset",
        prove_within: float = PROVE_WITHIN,
    ) -> None:
        self._gateways = gateways
        self._proxy_protocol = proxy_protocol
        self._prove_within = prove_within
        self._tasks = TaskOwner("single-port")

    def __len__(self) -> int:
        """Connections that a task of ours still serves; joined ones are with the relay."""
        return len(self._tasks)

    def take(self, accepted: Accepted) -> None:
        self._tasks.start(self._serve(accepted))

    async def close(self, grace: float = 0.0) -> None:
        await self._tasks.close(grace)

    async def _serve(self, accepted: Accepted) -> None:
        arrival: Arrival | None = None
        try:
            arrival = await self._look(accepted)
            gateway = route(arrival.opening)
            if (server := self._gateways.get(gateway)) is not None:
                await server.serve(arrival)
            elif gateway is Gateway.PLAIN_HTTP:
                await _say_https_only(arrival)
            else:
                _turn_away(arrival, gateway)
        except (TeleportError, RemoteProtocolError) as problem:
            log.debug("connection ended", client=arrival.client if arrival else accepted.client, error=problem)
            accepted.close()
        except BaseException:
            accepted.close()
            raise

    async def _look(self, accepted: Accepted) -> Arrival:
        deadline = asyncio.get_running_loop().time() + self._prove_within
        client, is_doubtful = accepted.client, False
        opening = await self._peek(accepted, deadline)
        if isinstance(opening, ProxyHeader):
            if self._proxy_protocol == "off":
                raise RemoteProtocolError("a PROXY header came where proxy_protocol is off")
            accepted.sock.recv(opening.length)  # all of it is there: it was peeked at
            if opening.source is not None and self._proxy_protocol == "on":
                client = Address(*opening.source)
                accepted.count_under(client)
            elif opening.source is not None:
                is_doubtful = True  # anybody may write such a header: limits and pins go by what the socket says
            opening = await self._peek(accepted, deadline)
            if isinstance(opening, ProxyHeader):
                raise RemoteProtocolError("a second PROXY header")
        elif self._proxy_protocol == "on":
            raise RemoteProtocolError("no PROXY header came although proxy_protocol is on")
        return Arrival(accepted.sock, client, accepted.server, opening, accepted.slot, deadline, is_doubtful)

    async def _peek(self, accepted: Accepted, deadline: float) -> Opening:
        left = max(0.1, deadline - asyncio.get_running_loop().time())
        return await peek(accepted.sock, openings.parse, max_size=openings.MAX_SIZE, timeout=left)


async def _say_https_only(arrival: Arrival) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await loop.sock_recv(arrival.sock, 64 * 1024)  # unread bytes would turn our answer into a reset
            await loop.sock_sendall(arrival.sock, _HTTPS_ONLY)
    arrival.close()


def _turn_away(arrival: Arrival, gateway: Gateway) -> None:
    if gateway is Gateway.UNBUILT:
        log.info("protocol is not served here", client=arrival.client, protocol=unbuilt_name(arrival.opening))
    reset(arrival.sock)
    arrival.close()
