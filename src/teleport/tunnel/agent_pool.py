"""The agent's side of the tunnel: a control connection to each proxy, spare data connections, incoming requests.

    async with AgentPool(...) as pool:
        async for incoming in pool:
            ...

Connections that break are dialled again for ever, with growing, scattered delays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.foundation.service import TaskOwner
from teleport.net.address import Address, parse_address
from teleport.net.sockets import ConnectProxy
from teleport.tunnel.proxy_link import (
    AgentTiming,
    IncomingConnection,
    ProxyLink,
    TunnelContexts,
    TunnelIdentity,
)
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.tls_names import PROXY_SERVER_NAME

__all__ = ["AgentPool", "AgentTiming", "IncomingConnection", "TunnelContexts", "TunnelIdentity"]

log = get_logger("tunnel")

_MAX_PROXIES = 64


class AgentPool:
    """Iterate it to receive connections. Leaving the block closes everything that was not handed out."""

    def __init__(
        self,
        identity: TunnelIdentity,
        proxies: Sequence[Address],
        *,
        spares: int = 2,
        max_waiting: int = 64,
        timing: AgentTiming | None = None,
        backoff: Callable[[], Backoff] = Backoff,
        http_proxy: Callable[[Address], ConnectProxy | None] = lambda _: None,
        server_name: str = PROXY_SERVER_NAME,
        on_departure: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_departure` is told the way (IncomingConnection.way) of a proxy that is stopping."""
        self._on_departure = on_departure
        self._identity = identity
        self._first_proxies = tuple(proxies)
        self._spares = spares
        self._timing = timing or AgentTiming()
        self._backoff = backoff
        self._http_proxy = http_proxy
        self._server_name = server_name
        self._incoming: asyncio.Queue[IncomingConnection | None] = asyncio.Queue(max_waiting)
        self._links: dict[str, ProxyLink] = {}
        self._known: set[Address] = set()
        self._tasks = TaskOwner("tunnel")
        self._changed = asyncio.Condition()
        self._is_draining = False

    async def __aenter__(self) -> Self:
        self._learn(self._first_proxies)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()
        while not self._incoming.empty():
            left = self._incoming.get_nowait()
            if left is not None:
                left.connection.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> IncomingConnection:
        incoming = await self._incoming.get()
        if incoming is None:
            raise StopAsyncIteration
        return incoming

    @property
    def connected(self) -> tuple[str, ...]:
        """The ids of the proxies with a live control connection."""
        return tuple(self._links)

    async def wait_connected(self) -> None:
        """Returns once at least one control connection is live."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._links))

    async def drain(self) -> None:
        """Tell proxies goodbye: they send nothing new. The iteration ends when all that came was handed out."""
        self._is_draining = True
        for link in list(self._links.values()):
            await link.say_goodbye()
        async with self._changed:
            await self._changed.wait_for(lambda: not self._links)
        await self._incoming.put(None)

    def _learn(self, addresses: Sequence[Address]) -> None:
        for address in addresses:
            if address not in self._known and len(self._known) < _MAX_PROXIES:
                self._known.add(address)
                self._tasks.start(self._stay_connected(address), f"tunnel to {address}")

    async def _stay_connected(self, address: Address) -> None:
        backoff = self._backoff()
        while not self._is_draining:
            delay = None
            try:
                link = await ProxyLink.open(
                    address, self._identity, self._timing, self._http_proxy(address), self._server_name
                )
                if link.proxy_id in self._links:
                    await link.close()
                    delay = self._timing.duplicate_retry  # two addresses, one proxy
                else:
                    backoff.reset()
                    await self._follow(link)
            except (Unavailable, NotAuthenticated, RemoteProtocolError) as problem:
                log.warning("tunnel lost", proxy=address, error=problem)
            await asyncio.sleep(delay if delay is not None else backoff.next_delay())

    async def _follow(self, link: ProxyLink) -> None:
        log.info("tunnel open", proxy=link.address, proxy_id=link.proxy_id)
        self._links[link.proxy_id] = link
        self._learn([parse_address(text) for text in link.other_proxies])
        await self._tell()
        try:
            await link.run(self._spares, self._deliver)
            if link.is_proxy_leaving:
                self._on_departure(link.way)
        finally:
            del self._links[link.proxy_id]
            await self._tell()

    def _deliver(self, incoming: IncomingConnection) -> bool:
        try:
            self._incoming.put_nowait(incoming)
        except asyncio.QueueFull:
            return False
        return True

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
