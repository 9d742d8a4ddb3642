"""The agent as a service: joins, keeps a copy of what it must know, serves connections, tells what happened.

It goes on serving while the cluster is away: decisions come from the replica on disk, events and recordings wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from teleport import __version__
from teleport.agent import registration
from teleport.agent.cluster_access import ClusterAccess
from teleport.agent.dispatch import Dispatch
from teleport.agent.heartbeat import Heartbeat, LabelCommand
from teleport.agent.identity import HostIdentity
from teleport.agent.registration import Enrolment
from teleport.api.governed import GovernedServers
from teleport.engines import admission
from teleport.engines.catalog import engines
from teleport.engines.engine import Limits, Post
from teleport.engines.host_accounts import static_accounts
from teleport.engines.host_accounts.host_accounts import HostAccounts
from teleport.engines.host_accounts.static_accounts import StaticAccounts
from teleport.engines.host_offers import HostOffers
from teleport.engines.kernel_recording.recorder import KernelRecorder
from teleport.engines.kernel_recording.requirements import Bpftrace, make_ready
from teleport.foundation import metrics
from teleport.foundation.clock import Clock
from teleport.foundation.errors import TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.foundation.service import Service, Supervisor, TaskOwner
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.net.listener import Accepted, Listener, listen
from teleport.net.sockets import EVERYWHERE, own_ip_towards, proxy_for
from teleport.session.emitter import Emitter
from teleport.session.event_spool import EventSpool
from teleport.session.leases import Leases
from teleport.session.recorder import RecorderFactory
from teleport.session.recording_spool import RecordingSpool
from teleport.session.recovery import ended_sessions
from teleport.session.tracker import Trackers
from teleport.session.uploader import Uploader
from teleport.storage.replica import Replica
from teleport.tunnel.agent_pool import AgentPool, TunnelIdentity
from teleport.tunnel.direct import is_from_proxy, receive_from_proxy
from teleport.tunnel.messages import IncomingRequest
from teleport.wire.errors import RemoteProtocolError

log = get_logger("agent")

_SESSIONS = metrics.gauge("server_interactive_sessions_total", "Sessions on a terminal that run here now")

_READY_WITHIN = 10.0
"""Seconds after which this counts as started although no proxy, or nobody who could be told, was met."""
_PARTING = 10.0
"""Seconds that a part is given to end once there is nothing more to wait for."""


@dataclass(frozen=True)
class AgentConfig:
    """What an operator says of this agent. `proxies` empty: no tunnel, the agent is reached where it listens."""

    data_dir: Path
    enrolment: Enrolment
    proxies: tuple[Address, ...] = ()
    listen: Address | None = None
    public: tuple[Address, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, LabelCommand] = field(default_factory=dict)
    permit_user_environment: bool = False
    permit_port_forwarding: bool = True
    permit_file_copy: bool = True
    offers: HostOffers = field(default_factory=HostOffers)
    limits: Limits = field(default_factory=Limits)
    drain: timedelta = timedelta(seconds=30)
    heartbeat_interval: timedelta = timedelta(seconds=60)


def _told_address(config: AgentConfig) -> str:
    """Where others are told to reach this host: if it listens everywhere, at the address that it goes out with."""
    if config.public:
        return str(config.public[0])
    if config.listen is None or config.proxies:
        return ""
    if config.listen.host not in EVERYWHERE:
        return str(config.listen)
    try:
        return str(Address(own_ip_towards(config.enrolment.server), config.listen.port))
    except Unavailable as problem:
        log.warning("proxies are not told where this server listens: set ssh_service.public_addr", error=problem)
        return ""


class AgentService:
    """Started once it has joined and knows what it must. Cancelled: nothing new, and sessions end within `drain`."""

    name = "node"

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._drain_timeout = config.drain.total_seconds()
        self._supervisor: Supervisor | None = None
        self._bpftrace: Bpftrace | None = None
        self.post: Post | None = None
        self.pool: AgentPool | None = None
        self.bound: tuple[Address, ...] = ()
        """Where it listens itself."""

    @property
    def drain_timeout(self) -> float:
        """Seconds that sessions are given when this is stopped; may be changed at any time."""
        return self._drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._drain_timeout = seconds
        if self._supervisor is not None:
            self._supervisor.drain_timeout = seconds + _PARTING

    async def run(self, started: Callable[[], None]) -> None:
        if self._config.offers.kernel is not None:
            self._bpftrace = await asyncio.to_thread(make_ready, self._config.offers.kernel)
        identity = await self._enrol()
        access = ClusterAccess(self._config.enrolment.server, identity, self._clock)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(access.close)
            await self._run_parts(stack, access, started)

    async def _enrol(self) -> HostIdentity:
        """Join, however long the cluster takes to answer. Raises what it refuses with."""
        backoff = Backoff()
        while True:
            try:
                return await registration.enrol(self._config.data_dir, self._config.enrolment, self._clock)
            except Unavailable as error:
                log.warning("the cluster cannot be reached to join it", error=error)
                await asyncio.sleep(backoff.next_delay())

    async def _run_parts(self, stack: AsyncExitStack, access: ClusterAccess, started: Callable[[], None]) -> None:
        config, clock, cluster = self._config, self._clock, access.identity.cluster
        recordings = RecordingSpool(config.data_dir / "recordings")
        recovered = await asyncio.to_thread(recordings.recover, clock.now())
        emitter = Emitter(access.sink.send_events, EventSpool(config.data_dir / "events"), clock, cluster)
        uploader = Uploader(recordings, access.sink)
        recorders = RecorderFactory(recordings, clock, on_complete=uploader.nudge, sink=access.sink)
        stack.callback(recorders.close)
        trackers = Trackers(access.sink, clock)
        leases = Leases(access.sink)
        kinds = (*admission.KINDS, *static_accounts.KINDS)
        replica = Replica(kinds, lambda: access.changes(kinds), clock, path=config.data_dir / "replica.json")
        reached = asyncio.Event()
        told_address = await asyncio.to_thread(_told_address, config)
        heartbeat = Heartbeat(
            lambda: access.client, clock, host_id=access.identity.host_id, hostname=config.enrolment.node_name,
            labels=config.labels, commands=config.commands, address=told_address,
            public_addresses=tuple(map(str, config.public)), use_tunnel=bool(config.proxies),
            interval=config.heartbeat_interval.total_seconds(), reached=reached,
        )  # fmt: skip
        accounts = HostAccounts(config.data_dir, access.identity.host_id)
        kernel = (
            KernelRecorder(config.offers.kernel, self._bpftrace, access.identity.host_id, emitter)
            if config.offers.kernel is not None and self._bpftrace is not None
            else None
        )
        self.post = Post(
            cluster=cluster, host_id=access.identity.host_id, hostname=config.enrolment.node_name,
            data_dir=config.data_dir, clock=clock, replica=replica, emitter=emitter, recorders=recorders,
            trackers=trackers, leases=leases, node=heartbeat.node, host_key=lambda: access.host_key,
            user_authorities=lambda: access.user_authorities(replica), limits=config.limits,
            governed=GovernedServers(lambda: access.client, clock),
            proxy_address=str(config.proxies[0]) if config.proxies else "",
            permit_user_environment=config.permit_user_environment,
            permit_port_forwarding=config.permit_port_forwarding, permit_file_copy=config.permit_file_copy,
            tunnels=lambda: self.pool.connected if self.pool is not None else (),
            offers=config.offers, accounts=accounts if config.offers.creates_accounts else None,
            kernel=kernel,
        )  # fmt: skip
        running = self.post.sessions
        _SESSIONS.set_function(lambda: len(running))
        for event in ended_sessions(recovered, cluster):
            emitter.post(event)
            trackers.end_lost(event.sid)
        parts: list[Service] = [
            emitter, uploader, trackers, leases, replica, heartbeat, _Renewal(access, config), accounts,
        ]  # fmt: skip
        if config.offers.creates_accounts:
            parts.append(StaticAccounts(replica, accounts, heartbeat.node))
        if kernel is not None:
            parts.append(kernel)
        parts.append(_Reception(self, config, access, Dispatch(engines(), self.post), reached, heartbeat.told))
        self._supervisor = Supervisor(parts, drain_timeout=self.drain_timeout + _PARTING)
        await self._supervisor.run(started)


class _Renewal:
    """Keeps the host's identity good."""

    name = "renewal"

    def __init__(self, access: ClusterAccess, config: AgentConfig) -> None:
        self._access = access
        self._config = config

    async def run(self, started: Callable[[], None]) -> None:
        started()
        await self._access.stay_renewed(self._config.data_dir, self._config.enrolment)


class _Reception:
    """Takes connections from the tunnel and from its own port, until it is stopped; then lets sessions end."""

    name = "reception"

    def __init__(
        self,
        service: AgentService,
        config: AgentConfig,
        access: ClusterAccess,
        dispatch: Dispatch,
        reached: asyncio.Event,
        told: asyncio.Event,
    ) -> None:
        self._service = service
        self._config = config
        self._access = access
        self._dispatch = dispatch
        self._reached = reached
        self._told = told
        self._arrivals = TaskOwner("arrival")

    async def run(self, started: Callable[[], None]) -> None:
        listener = self._listen()
        try:
            if self._config.proxies:
                async with self._pool() as pool:
                    self._service.pool = pool
                    self._arrivals.start(self._begin(pool, started), "begin")
                    async for incoming in pool:
                        self._dispatch.serve(incoming.connection, incoming.request, way=incoming.way)
            else:
                self._arrivals.start(self._begin(None, started), "begin")
            await asyncio.Event().wait()
        finally:
            if listener is not None:
                listener.close()
            await self._arrivals.close()
            await self._dispatch.drain(lambda: self._service.drain_timeout)

    async def _begin(self, pool: AgentPool | None, started: Callable[[], None]) -> None:
        """The cluster is told of this host when it is reached, and it is started when the cluster was told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_WITHIN):
                if pool is not None:
                    await pool.wait_connected()
                self._reached.set()
                await self._told.wait()
        started()

    def _listen(self) -> Listener | None:
        if self._config.listen is None:
            return None
        listener = Listener(listen(self._config.listen), self._accept)
        listener.start()
        self._service.bound = tuple(listener.addresses)
        log.info("ssh listens", addresses=", ".join(map(str, listener.addresses)))
        return listener

    def _accept(self, accepted: Accepted) -> None:
        self._arrivals.start(self._receive(accepted), "arrival")

    async def _receive(self, accepted: Accepted) -> None:
        """Proxies come for people, others for themselves."""
        access = self._access
        try:
            if not await is_from_proxy(accepted.sock):
                request = IncomingRequest(
                    kind="node", resource_id=access.identity.host_id, client_addr=str(accepted.client)
                )
                self._dispatch.serve(HandedOff(accepted.sock), request, accepted.slot.release)
                return
            raw, request = await receive_from_proxy(accepted.sock, access.own_port_context, access.check_proxy)
        except (TeleportError, RemoteProtocolError) as problem:
            log.info("a connection was lost at the door", client=accepted.client, error=problem)
            accepted.close()
            return
        except BaseException:
            accepted.close()
            raise
        accepted.slot.release()  # limits are those of people, whom the proxy counts
        self._dispatch.serve(raw, request)

    def _pool(self) -> AgentPool:
        identity = self._access.identity
        return AgentPool(
            TunnelIdentity(
                identity.host_id, identity.cluster, lambda: self._access.tunnel_contexts, version=__version__
            ),
            self._config.proxies,
            http_proxy=lambda address: proxy_for(address.host, os.environ),
            on_departure=self._dispatch.depart,
        )
