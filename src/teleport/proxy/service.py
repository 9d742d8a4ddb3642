"""The proxy as a service: the single port, what stands behind it, and how it comes up and goes down."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from teleport.credentials.authorities import TrustedAuthority
from teleport.foundation.clock import Clock
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.net.address import Address
from teleport.net.asgi import AsgiApp
from teleport.net.connection_limits import ConnectionCounter, ConnectionLimits
from teleport.net.http_server import HttpLimits, HttpServer
from teleport.net.listener import Listener, listen
from teleport.net.relays import Relay
from teleport.proxy import figures
from teleport.proxy.dial import DialDesk, Emit
from teleport.proxy.gateways.auth import AuthAcceptor, AuthAddress, AuthGateway, Vouch
from teleport.proxy.gateways.dial import DialGateway
from teleport.proxy.gateways.gateway import ServesArrivals
from teleport.proxy.gateways.tunnel import TunnelDataGateway, TunnelGateway
from teleport.proxy.gateways.web import WebGateway
from teleport.proxy.hosts import Hosts
from teleport.proxy.inner_dial import InnerDial
from teleport.proxy.networking import dial_timeout
from teleport.proxy.node_policy import PeerIdentifier, ReplicaNodePolicy
from teleport.proxy.router import Gateway
from teleport.proxy.single_port import PROVE_WITHIN, ProxyProtocol, SinglePort
from teleport.proxy.terminations import Terminations
from teleport.storage.replica import Replica
from teleport.tunnel.registry import AgentRegistry
from teleport.wire.tls_names import ALPN_DIAL, ALPN_HOST, ALPN_TUNNEL, ALPN_TUNNEL_DATA

log = get_logger("proxy")

_CALLS_END_WITHIN = 5.0
"""Seconds that calls to the API are given when the proxy stops; sessions have `ProxyLimits.drain`."""


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """`drain` is how long joined connections may go on once the service is told to stop."""

    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    http: HttpLimits = field(default_factory=HttpLimits)
    prove_within: float = PROVE_WITHIN
    drain: float = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """All that a proxy is made of. Contexts and authorities are asked for anew by each connection.

    `internal_context` presents the host certificate and asks for client certificates of the user and host
    authorities; it is given the ALPN protocol it must answer with. `client_context` presents it to hosts, with the
    protocol it offers. `public_context` is given the server name asked for. `auth` is where connections for auth go:
    addresses, or a function that accepts them in this process.
    """

    cluster: str
    host_id: str
    addresses: Sequence[Address]
    public_context: Callable[[str], ssl.SSLContext]
    internal_context: Callable[[str], ssl.SSLContext]
    client_context: Callable[[str], ssl.SSLContext]
    authorities: Callable[[], Sequence[TrustedAuthority]]
    replica: Replica
    emit: Emit
    auth: Callable[[], list[Address]] | AuthAcceptor
    web: AsgiApp
    clock: Clock
    vouch: Vouch | None = None
    other_proxies: Callable[[], Sequence[str]] = tuple
    proxy_protocol: ProxyProtocol = "unset"
    reuse_port: bool = False
    limits: ProxyLimits = field(default_factory=ProxyLimits)
    terminate: Callable[[Hosts], Terminations] | None = None
    """Makes what serves servers without an agent; None where there is no such service."""


class ProxyService:
    """A Service. `bound` holds the addresses it listens on once started, also where port 0 was asked for.

    `drain_timeout` is at first what the limits say; it may be changed, also while joined connections drain.
    """

    name = "proxy"

    def __init__(self, config: ProxyConfig) -> None:
        self._config = config
        self.drain_timeout = config.limits.drain
        self.bound: tuple[Address, ...] = ()
        self.registry = AgentRegistry(config.host_id, proxies=config.other_proxies)
        self.hosts = Hosts(
            config.cluster,
            self.registry,
            lambda: config.client_context(ALPN_HOST),
            lambda: dial_timeout(config.replica),
        )
        self.relay = Relay()
        self._terminations = config.terminate(self.hosts) if config.terminate is not None else None
        auth = config.auth
        if isinstance(auth, AuthAcceptor):
            self._auth_route: AuthAcceptor | AuthAddress = auth
        else:
            self._auth_route = AuthAddress(auth, self.relay, vouch=config.vouch)
        self.counter = ConnectionCounter(config.limits.connections, figures.REFUSED.inc)
        self._peers = PeerIdentifier(config.cluster, config.authorities, config.replica, config.clock)
        policy = ReplicaNodePolicy(config.cluster, config.replica, config.clock)
        self._desk = DialDesk(config.cluster, config.replica, policy, config.emit)
        self.inner_dial = InnerDial(self._peers.verify, self._desk, self.hosts, self.relay, self._terminations)

    async def run(self, started: Callable[[], None]) -> None:
        config = self._config
        sockets = [sock for address in config.addresses for sock in listen(address, reuse_port=config.reuse_port)]
        web = HttpServer(config.web, config.limits.http)
        port = SinglePort(
            self._gateways(web),
            proxy_protocol=config.proxy_protocol,
            prove_within=config.limits.prove_within,
        )
        listener = Listener(sockets, port.take, self.counter)
        background = TaskOwner("proxy")
        self.relay.start()
        try:
            self.bound = tuple(listener.addresses)
            figures.TUNNELS.set_function(lambda: len(self.registry))
            listener.start()
            background.start(self.registry.keep_alive(), "tunnel-pings")
            log.info("proxy listens", addresses=", ".join(map(str, self.bound)), cluster=config.cluster)
            started()
            await asyncio.Event().wait()
        finally:
            listener.close()
            try:
                await self._drain(web)
            finally:
                await port.close()
                if self._terminations is not None:
                    await self._terminations.drain(lambda: 0.0)
                await background.close()
                self.relay.close()

    async def _drain(self, web: HttpServer) -> None:
        """New connections are refused, agents go elsewhere, joined connections get time to end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.registry.drain())
            group.create_task(web.drain(min(self.drain_timeout, _CALLS_END_WITHIN)))
            if self._terminations is not None:
                group.create_task(self._terminations.drain(lambda: self.drain_timeout))
            if len(self.relay):
                log.info("waiting for joined connections to end", connections=len(self.relay))
                group.create_task(self._drain_relay())

    async def _drain_relay(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (left := began + self.drain_timeout - loop.time()) > 0:
            if await self.relay.drain(min(left, 1.0)):
                return
            if loop.time() - began >= _CALLS_END_WITHIN and isinstance(self._auth_route, AuthAddress):
                self._auth_route.end_all()  # callers come again through whoever listens here next
        log.warning("ending joined connections", connections=len(self.relay))

    def _gateways(self, web: HttpServer) -> dict[Gateway, ServesArrivals]:
        config = self._config
        peers, desk = self._peers, self._desk
        internal = config.internal_context
        return {
            Gateway.DIAL: DialGateway(
                lambda: internal(ALPN_DIAL), peers.verify, desk, self.hosts, self.relay, self._terminations
            ),
            Gateway.TUNNEL: TunnelGateway(
                lambda: internal(ALPN_TUNNEL), peers.identify, config.cluster, self.registry
            ),
            Gateway.TUNNEL_DATA: TunnelDataGateway(lambda: internal(ALPN_TUNNEL_DATA), peers.identify, self.registry),
            Gateway.AUTH: AuthGateway(self._auth_route),
            Gateway.WEB: WebGateway(web, config.public_context),
        }
