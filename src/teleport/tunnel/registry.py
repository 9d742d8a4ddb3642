"""The proxy's side of the tunnel: which agents are connected, and a data connection to any of them.

All of it lives on one event loop. Data connections belong to the control connection whose unguessable id they
name, so spares of an agent that restarted go with its old control connection.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from teleport.foundation.errors import Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.net import frames
from teleport.net.frame_stream import FrameStream
from teleport.net.handoff import HandedOff
from teleport.net.tls import TlsConnection
from teleport.tunnel.agent_link import AgentLink
from teleport.tunnel.messages import (
    AgentHello,
    Assign,
    DataHello,
    DataWelcome,
    FromAgent,
    Goodbye,
    IncomingRequest,
    Ping,
    Pong,
    ProxyHello,
    Refuse,
)
from teleport.wire.errors import RemoteProtocolError

log = get_logger("tunnel")

_FROM_AGENT = msgspec.json.Decoder(FromAgent)
_SEND_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class ConnectedAgent:
    """What is known of an agent's control connection."""

    host_id: str
    services: tuple[str, ...]
    version: str
    spares: int
    is_draining: bool


class AgentRegistry:
    """`keep_alive` must run while agents are connected; it pings them."""

    def __init__(
        self,
        proxy_id: str,
        *,
        proxies: Callable[[], Sequence[str]] = tuple,
        connect_timeout: float = 10.0,
        ping_interval: float = 30.0,
        silence: float = 75.0,
        max_spares: int = 16,
        max_waiting: int = 256,
        max_links_per_host: int = 4,
    ) -> None:
        self._proxy_id = proxy_id
        self._proxies = proxies
        self._connect_timeout = connect_timeout
        self._ping_interval = ping_interval
        self._silence = silence
        self._max_spares = max_spares
        self._max_waiting = max_waiting
        self._max_links = max_links_per_host
        self._by_control: dict[str, AgentLink] = {}
        self._by_host: dict[str, list[AgentLink]] = {}
        self._is_draining = False

    def __len__(self) -> int:
        """Control connections."""
        return len(self._by_control)

    def agents(self) -> list[ConnectedAgent]:
        return [
            ConnectedAgent(link.host_id, tuple(link.services), link.version, len(link.spares), link.is_draining)
            for link in self._by_control.values()
        ]

    def is_connected(self, host_id: str) -> bool:
        return any(not link.is_draining for link in self._by_host.get(host_id, ()))

    async def serve_control(self, tls: TlsConnection, hello: AgentHello) -> None:
        """Serve an authenticated agent's control connection until it ends. Owns `tls`.

        The caller has checked that `hello.host_id` is the one in the agent's certificate.
        """
        stream = FrameStream(tls, _FROM_AGENT)
        link = AgentLink(hello, secrets.token_hex(16), stream, self._max_spares, self._max_waiting)
        try:
            refusal = "the proxy is stopping" if self._is_draining else ""
            answer = ProxyHello(
                proxy_id=self._proxy_id,
                control_id="" if refusal else link.control_id,
                proxies=list(self._proxies()),
                max_spares=self._max_spares,
                refused=refusal,
            )
            await stream.send(answer)
            if not refusal:
                self._add(link)
                await self._follow(link)
        except (Unavailable, RemoteProtocolError, TimeoutError) as problem:
            log.info("agent lost", host_id=link.host_id, error=problem)
        finally:
            self._remove(link)
            link.close()
            await tls.close()

    async def serve_data(self, tls: TlsConnection, hello: DataHello) -> None:
        """Welcome an authenticated agent's data connection and keep it as a spare. Owns `tls`."""
        link = self._by_control.get(hello.control_id)
        if link is None or link.host_id != hello.host_id or link.is_draining:
            await tls.write(frames.encode(DataWelcome(refused="there is no such control connection")))
            await tls.close()
            return
        connection = await tls.unwrap(frames.encode(DataWelcome()))
        if connection.leftover or self._by_control.get(hello.control_id) is not link:
            connection.close()  # it spoke before it was asked, or its control connection ended meanwhile
            return
        link.offer(hello.data_id, connection)

    async def connect(self, host_id: str, request: IncomingRequest) -> HandedOff:
        """A raw connection to the agent, already assigned to `request`. Raises Unavailable."""
        links = [link for link in self._by_host.get(host_id, ()) if not link.is_draining]
        if not links:
            raise Unavailable(f"the agent of {request.resource_id} is not connected to this proxy")
        links.sort(key=lambda link: not link.spares)  # stable: newest first among equals
        data_id, connection = "", None
        try:
            async with asyncio.timeout(self._connect_timeout):
                data_id, connection = await links[0].take()
                await links[0].stream.send(Assign(data_id, request))
        except BaseException as problem:
            if connection is not None:
                connection.close()
            if isinstance(problem, TimeoutError):
                raise Unavailable(
                    f"the agent of {request.resource_id} gave no connection within {self._connect_timeout:g} s"
                ) from None
            raise
        return connection

    async def keep_alive(self) -> None:
        """Ping every agent once per interval, spread evenly, until cancelled."""
        pings = TaskOwner("tunnel-ping")
        try:
            while True:
                links = list(self._by_control.values())
                pause = self._ping_interval / max(len(links), 1)
                if not links:
                    await asyncio.sleep(min(pause, 1.0))
                for link in links:
                    await asyncio.sleep(pause)
                    if link.control_id in self._by_control:
                        pings.start(_send(link, Ping()))
        finally:
            await pings.close()

    async def drain(self) -> None:
        """Ask agents to go elsewhere; joined connections go on."""
        self._is_draining = True
        async with asyncio.TaskGroup() as group:
            for link in list(self._by_control.values()):
                link.is_draining = True
                group.create_task(_send(link, Goodbye("the proxy is stopping")))

    def _add(self, link: AgentLink) -> None:
        self._by_control[link.control_id] = link
        links = self._by_host.setdefault(link.host_id, [])
        links.insert(0, link)
        for stale in links[self._max_links :]:
            stale.cancel()
        log.info("agent connected", host_id=link.host_id, version=link.version)

    def _remove(self, link: AgentLink) -> None:
        if self._by_control.pop(link.control_id, None) is None:
            return
        links = self._by_host[link.host_id]
        links.remove(link)
        if not links:
            del self._by_host[link.host_id]
        log.info("agent disconnected", host_id=link.host_id)

    async def _follow(self, link: AgentLink) -> None:
        while True:
            async with asyncio.timeout(self._silence):
                message = await link.stream.receive()
            match message:
                case None:
                    return
                case Ping():
                    await link.stream.send(Pong())
                case Pong():
                    link.drop_dead_spares()
                case Refuse():
                    log.warning(
                        "agent refused", host_id=link.host_id, data_id=message.data_id, reason=message.message
                    )
                case Goodbye():
                    link.is_draining = True
                    link.close_spares()
                    await link.stream.send(Goodbye())


async def _send(link: AgentLink, message: msgspec.Struct) -> None:
    try:
        async with asyncio.timeout(_SEND_TIMEOUT):
            await link.stream.send(message)
    except (Unavailable, TimeoutError):
        link.cancel()  # the stream may be cut in the middle of a message
