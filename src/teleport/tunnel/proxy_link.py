"""One proxy as an agent sees it: the control connection, spare data connections, and what the proxy assigns."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import msgspec

from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.foundation.service import TaskOwner
from teleport.net import frames
from teleport.net.address import Address
from teleport.net.frame_stream import FrameStream, receive_one
from teleport.net.handoff import HandedOff
from teleport.net.sockets import ConnectProxy, connect, state_of
from teleport.net.tls import TlsConnection
from teleport.tunnel.messages import (
    AgentHello,
    Assign,
    Connect,
    DataHello,
    DataWelcome,
    FromProxy,
    Goodbye,
    IncomingRequest,
    Ping,
    Pong,
    ProxyHello,
    Refuse,
)
from teleport.wire.errors import RemoteProtocolError

log = get_logger("tunnel")

_FROM_PROXY = msgspec.json.Decoder(FromProxy)
_PROXY_HELLO = msgspec.json.Decoder(ProxyHello)
_DATA_WELCOME = msgspec.json.Decoder(DataWelcome)
_MAX_OPENING = 256


@dataclass(slots=True)
class IncomingConnection:
    """A request and the raw connection it comes on, where the client's first protocol bytes appear.

    `way`: the control connection that brought it, the same for all that came by it.
    """

    connection: HandedOff
    request: IncomingRequest
    way: str


@dataclass(frozen=True, slots=True)
class TunnelContexts:
    """TLS contexts with the agent's host certificate; each offers its one ALPN protocol.

    `control`: `wire.tls_names.ALPN_TUNNEL`; `data`: `wire.tls_names.ALPN_TUNNEL_DATA`.
    """

    control: ssl.SSLContext
    data: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class AgentTiming:
    """Seconds. A proxy that says nothing for `silence` is taken for gone."""

    connect: float = 10.0
    answer: float = 10.0
    silence: float = 75.0
    duplicate_retry: float = 60.0


@dataclass(frozen=True, slots=True)
class TunnelIdentity:
    """Who the agent is to proxies; `contexts` is asked anew for each connection, so renewed certificates serve."""

    host_id: str
    cluster: str
    contexts: Callable[[], TunnelContexts]
    services: tuple[str, ...] = ("node",)
    version: str = ""


class ProxyLink:
    """Made by `open`; `run` serves it until the proxy says goodbye or is lost."""

    def __init__(
        self,
        address: Address,
        identity: TunnelIdentity,
        timing: AgentTiming,
        http_proxy: ConnectProxy | None,
        server_name: str,
        tls: TlsConnection,
        hello: ProxyHello,
    ) -> None:
        self.address = address
        self.proxy_id = hello.proxy_id
        self.other_proxies = hello.proxies
        self.way = hello.control_id
        self._max_spares = hello.max_spares
        self._identity = identity
        self._timing = timing
        self._http_proxy = http_proxy
        self._server_name = server_name
        self._tls = tls
        self._stream = FrameStream(tls, _FROM_PROXY)
        self._spares: dict[str, HandedOff] = {}
        self._opening: dict[str, IncomingRequest | None] = {}
        self._tasks = TaskOwner("tunnel-data")
        self._is_leaving = False
        self.is_proxy_leaving = False
        self._deliver: Callable[[IncomingConnection], bool] = lambda _: False

    @classmethod
    async def open(
        cls,
        address: Address,
        identity: TunnelIdentity,
        timing: AgentTiming,
        http_proxy: ConnectProxy | None,
        server_name: str,
    ) -> Self:
        """Raises Unavailable, NotAuthenticated, RemoteProtocolError."""
        sock = await connect(address, timeout=timing.connect, proxy=http_proxy)
        tls = await TlsConnection.connect(sock, identity.contexts().control, server_name, timeout=timing.connect)
        try:
            hello = AgentHello(
                host_id=identity.host_id,
                cluster=identity.cluster,
                services=list(identity.services),
                version=identity.version,
            )
            await tls.write(frames.encode(hello))
            answer = await receive_one(tls, _PROXY_HELLO, timeout=timing.answer)
        except BaseException:
            tls.abort()
            raise
        if answer.refused:
            await tls.close()
            raise Unavailable(f"proxy {address}: {answer.refused}")
        return cls(address, identity, timing, http_proxy, server_name, tls, answer)

    async def run(self, spares: int, deliver: Callable[[IncomingConnection], bool]) -> None:
        """Keep `spares` data connections ready and hand assigned ones to `deliver`, which may decline."""
        self._deliver = deliver
        self._open_more(min(spares, self._max_spares))
        try:
            while not await self._react():
                pass
        except TimeoutError:
            raise Unavailable(f"proxy {self.address} was silent for {self._timing.silence:g} s") from None
        finally:
            await self._tasks.close()
            for connection in self._spares.values():
                connection.close()
            self._spares.clear()
            await self._tls.close()

    async def say_goodbye(self) -> None:
        """The proxy assigns nothing more and answers in kind, which ends `run`."""
        self._is_leaving = True
        try:
            async with asyncio.timeout(self._timing.answer):
                await self._stream.send(Goodbye("the agent is stopping"))
        except (Unavailable, TimeoutError) as problem:
            log.info("no goodbye", proxy=self.address, error=problem)

    async def close(self) -> None:
        await self._tls.close()

    async def _react(self) -> bool:
        """Handle one message; True when it was the last."""
        async with asyncio.timeout(self._timing.silence):
            message = await self._stream.receive()
        match message:
            case None:
                return True
            case Goodbye():
                self.is_proxy_leaving = not self._is_leaving
                return True
            case Connect():
                self._open_more(message.count)
            case Assign():
                await self._assign(message)
            case Ping():
                self._drop_dead_spares()
                await self._stream.send(Pong())
            case Pong():
                pass
        return False

    async def _assign(self, assign: Assign) -> None:
        connection = self._spares.pop(assign.data_id, None)
        if connection is not None:
            self._open_more(1)
            await self._hand_out(assign.data_id, connection, assign.request)
        elif assign.data_id in self._opening:
            self._opening[assign.data_id] = assign.request
        else:
            await self._stream.send(Refuse(assign.data_id, "this data connection is gone"))

    async def _hand_out(self, data_id: str, connection: HandedOff, request: IncomingRequest) -> None:
        if not self._deliver(IncomingConnection(connection, request, self.way)):
            connection.close()
            await self._stream.send(Refuse(data_id, "too many connections wait to be served"))

    def _open_more(self, count: int) -> None:
        if self._is_leaving:
            return
        for _ in range(min(count, _MAX_OPENING - len(self._opening))):
            data_id = secrets.token_hex(8)
            self._opening[data_id] = None
            self._tasks.start(self._open_data(data_id))

    async def _open_data(self, data_id: str) -> None:
        """Tries until it succeeds or the control connection ends."""
        backoff = Backoff()
        try:
            while True:
                try:
                    connection = await self._dial_data(data_id)
                    break
                except (Unavailable, NotAuthenticated, RemoteProtocolError) as problem:
                    log.warning("no data connection", proxy=self.address, error=problem)
                    await asyncio.sleep(backoff.next_delay())
        except BaseException:
            del self._opening[data_id]
            raise
        request = self._opening.pop(data_id)
        if request is None:
            self._spares[data_id] = connection
        else:
            await self._hand_out(data_id, connection, request)

    async def _dial_data(self, data_id: str) -> HandedOff:
        timing = self._timing
        sock = await connect(self.address, timeout=timing.connect, proxy=self._http_proxy)
        context = self._identity.contexts().data
        tls = await TlsConnection.connect(sock, context, self._server_name, timeout=timing.connect)
        try:
            await tls.write(frames.encode(DataHello(self._identity.host_id, self.way, data_id)))
            welcome = await receive_one(tls, _DATA_WELCOME, timeout=timing.answer)
            if welcome.refused:
                raise Unavailable(f"proxy {self.address}: {welcome.refused}")
            return await tls.unwrap(timeout=timing.answer)
        except BaseException:
            tls.abort()
            raise

    def _drop_dead_spares(self) -> None:
        """A spare that the proxy closed is of no use; one on which bytes wait is about to be assigned."""
        for data_id, connection in list(self._spares.items()):
            if not connection.leftover and state_of(connection.sock) == "ended":
                del self._spares[data_id]
                connection.close()
                self._open_more(1)
