"""The proxy as a service of this process: its identity, its copy of the cluster, its events, its web application."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from teleport import __version__
from teleport.api.changes import remote_source
from teleport.api.client import Answer, Client, StreamedAnswer
from teleport.api.routes import audit, public
from teleport.auth.bootstrap import LocalIdentity
from teleport.credentials.authorities import TrustedAuthority, trusted
from teleport.engines import admission
from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.identity import SystemRole
from teleport.model.resource import Metadata
from teleport.model.resources.cert_authority import CertAuthority
from teleport.model.resources.service_heartbeats import ProxyServer as ProxyHeartbeat
from teleport.net.address import Address
from teleport.net.connection_limits import ConnectionLimits
from teleport.net.http_client import HttpClient
from teleport.net.sockets import proxy_for
from teleport.process.config.settings import ProxySettings
from teleport.process.health import Health
from teleport.process.host_tls import HostTls, PublicCertificates
from teleport.process.passage import Passage
from teleport.process.terminations import SessionKeeping
from teleport.proxy.inner_dial import InnerDial
from teleport.proxy.service import ProxyConfig, ProxyLimits, ProxyService
from teleport.proxy.web.app import WebApp
from teleport.session.emitter import Emitter
from teleport.session.event_spool import EventSpool
from teleport.storage.replica import Replica
from teleport.wire.tls_names import auth_server_name

log = get_logger("proxy")

KINDS = (*admission.KINDS, "session_tracker")
RENEW_EVERY = timedelta(days=1).total_seconds()
BEAT_EVERY = 60.0
BEAT_RETRY = 5.0
BEAT_LASTS = timedelta(minutes=10)

IdentitySource = Callable[[SystemRole, Sequence[str]], Awaitable[LocalIdentity]]
"""A fresh identity for a role of this host, with names by which clients may call it."""


@dataclass(frozen=True)
class Place:
    """What the proxy is told by the process it lives in."""

    host_id: str
    hostname: str
    data_dir: Path
    clock: Clock
    health: Health
    max_connections: int = 15_000
    """From one address at a time."""


class ProxyServer:
    """A Service made of services; it comes up when auth answers, or with the copy on disk when auth is away."""

    name = "proxy"

    def __init__(
        self, settings: ProxySettings, place: Place, passage: Passage, identities: IdentitySource, drain: float = 25.0
    ) -> None:
        self._settings = settings
        self._place = place
        self._passage = passage
        self._identities = identities
        self._cluster = ""
        self._authorities: tuple[TrustedAuthority, ...] = ()
        self._public = PublicCertificates(settings.keypairs) if settings.keypairs else None
        self._drain_timeout = drain
        self._service: ProxyService | None = None

    @property
    def drain_timeout(self) -> float:
        """Seconds that joined connections are given when this is stopped; may be changed at any time."""
        return self._drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._drain_timeout = seconds
        if self._service is not None:
            self._service.drain_timeout = seconds

    @property
    def public_names(self) -> tuple[str, ...]:
        """Names for the certificate of the web port when the operator gave none."""
        names = dict.fromkeys(address.host for address in self._settings.public)
        return (*names, self._place.hostname, "localhost", "127.0.0.1", "::1")

    async def run(self, started: Callable[[], None]) -> None:
        identity = await self._identities("Proxy", self.public_names)
        self._cluster = identity.credentials.cluster
        tls = HostTls(identity.credentials.tls_certificate.decode(), identity.tls_key, self._trusted)
        self._trust_first(identity)
        transport = RenewedTransport(lambda: self._connect(tls.client()))
        client = Client(transport)
        folder = self._place.data_dir / "proxy"
        folder.mkdir(mode=0o700, exist_ok=True)
        replica = Replica(KINDS, remote_source(client, KINDS), self._place.clock, path=folder / "replica")
        emitter = Emitter(_send(client), EventSpool(folder / "events"), self._place.clock, self._cluster)
        web = WebApp(
            transport,
            advertised(self._settings),
            self._place.clock,
            trust_forwarded_for=self._settings.trust_forwarded_for,
            dial=self._dial,
            authorities=self._trusted,
        )
        keeping = SessionKeeping(folder, client, self._place.clock, self._cluster)
        self._service = service = ProxyService(self._config(tls, replica, emitter, web, keeping))
        try:
            await keeping.recover(emitter)
            async with asyncio.TaskGroup() as group:
                ready = asyncio.Event()
                group.create_task(replica.run(ready.set), name="proxy replica")
                group.create_task(emitter.run(lambda: None), name="proxy events")
                for part in keeping.services:
                    group.create_task(part.run(lambda: None), name=f"proxy {part.name}")
                await ready.wait()
                self._follow_trust(replica)
                group.create_task(self._stay_trusted(replica), name="proxy trust")
                group.create_task(self._stay_renewed(tls, transport), name="proxy identity")
                group.create_task(self._beat(client), name="proxy heartbeat")
                if self._public is not None and self._settings.keypairs_reload:
                    group.create_task(self._stay_current(self._public), name="proxy certificates")
                await service.run(started)
        finally:
            web.close()
            await transport.close()
            keeping.close()

    def _config(
        self, tls: HostTls, replica: Replica, emitter: Emitter, web: WebApp, keeping: SessionKeeping
    ) -> ProxyConfig:
        settings, passage = self._settings, self._passage
        addresses = [settings.listen] + ([settings.tunnel_listen] if settings.tunnel_listen else [])
        return ProxyConfig(
            cluster=self._cluster,
            host_id=self._place.host_id,
            addresses=addresses,
            public_context=self._public.choose if self._public is not None else lambda _: tls.public(),
            internal_context=tls.internal,
            client_context=tls.client,
            authorities=self._trusted,
            replica=replica,
            emit=emitter.post,
            auth=passage.acceptor or (lambda: [passage.address]),
            web=web.app,
            vouch=lambda client, server: tls.voucher(self._cluster).header(client, server, self._place.clock.now()),
            clock=self._place.clock,
            proxy_protocol=settings.proxy_protocol,
            limits=ProxyLimits(
                connections=ConnectionLimits(per_ip=self._place.max_connections), drain=self.drain_timeout
            ),
            terminate=lambda hosts: keeping.terminations(hosts, replica, emitter, self._trusted),
        )

    def _dial(self) -> InnerDial:
        assert self._service is not None, "pages are served by the service"
        return self._service.inner_dial

    def _trusted(self) -> Sequence[TrustedAuthority]:
        return self._authorities

    def _trust_first(self, identity: LocalIdentity) -> None:
        """Until the copy of the cluster is there: what came with the identity."""
        credentials, cluster = identity.credentials, self._cluster
        self._authorities = (
            TrustedAuthority(
                kind="host",
                cluster=cluster,
                tls_certificates=_texts(credentials.tls_authorities),
                ssh_keys=_texts(credentials.ssh_authorities),
            ),
            TrustedAuthority(
                kind="user",
                cluster=cluster,
                tls_certificates=_texts(credentials.user_tls_authorities),
                ssh_keys=_texts(credentials.user_ssh_authorities),
            ),
        )

    def _follow_trust(self, replica: Replica) -> None:
        own = [authority for authority in replica.list(CertAuthority) if authority.metadata.name == self._cluster]
        self._authorities = tuple(trusted(authority) for authority in own) or self._authorities

    async def _stay_trusted(self, replica: Replica) -> None:
        async for _ in replica.changes((CertAuthority.KIND,)):
            self._follow_trust(replica)

    async def _stay_renewed(self, tls: HostTls, transport: RenewedTransport) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                identity = await self._identities("Proxy", self.public_names)
                if self._public is not None:
                    self._public.reload()
            except TeleportError as problem:
                log.warning("identity not renewed", error=problem)
                continue
            tls.renew(identity.credentials.tls_certificate.decode(), identity.tls_key)
            await transport.renew()

    async def _stay_current(self, public: PublicCertificates) -> None:
        """Take up certificates that the operator has replaced."""
        while True:
            await asyncio.sleep(self._settings.keypairs_reload.total_seconds())
            try:
                if public.reload():
                    log.info("public certificates read again")
            except BadParameter as problem:
                log.warning("public certificates not read again", error=problem)

    async def _beat(self, client: Client) -> None:
        """Tell the cluster of this proxy, and the health of the process whether that went well."""
        while True:
            try:
                await client.put(self._heartbeat())
            except TeleportError as problem:
                log.warning("heartbeat failed", error=problem)
                self._place.health.beat(self.name, False)
                await asyncio.sleep(BEAT_RETRY)
                continue
            self._place.health.beat(self.name, True)
            await asyncio.sleep(BEAT_EVERY)

    def _heartbeat(self) -> ProxyHeartbeat:
        heartbeat = ProxyHeartbeat(
            metadata=Metadata(name=self._place.host_id, expires=self._place.clock.now() + BEAT_LASTS)
        )
        heartbeat.spec.hostname = self._place.hostname
        heartbeat.spec.addr = str(self._settings.listen)
        heartbeat.spec.version = __version__
        heartbeat.spec.public_addrs = [str(address) for address in self._settings.public]
        return heartbeat

    def _connect(self, context: ssl.SSLContext) -> HttpClient:
        address = self._passage.address
        through = proxy_for(address.host, os.environ)
        return HttpClient(address, tls=context, server_name=auth_server_name(self._cluster), proxy=through)


class RenewedTransport:
    """A Transport whose connections are made anew, with a new certificate, when it is renewed."""

    def __init__(self, make: Callable[[], HttpClient]) -> None:
        self._make = make
        self._client = make()

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer:
        return await self._client.request(method, target, headers, body, timeout=timeout)

    def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[StreamedAnswer]:
        return self._client.stream(method, target, headers, body)

    async def renew(self) -> None:
        """Running calls break off, and are asked again by those who made them."""
        old, self._client = self._client, self._make()
        await old.close()

    async def close(self) -> None:
        await self._client.close()


def advertised(settings: ProxySettings) -> public.ProxySettings:
    """Where clients and agents should connect, as `/webapi/ping` tells."""
    own = str(settings.public[0]) if settings.public else ""
    web = str(Address(settings.listen.host or "0.0.0.0", settings.listen.port))
    tunnel = str(settings.tunnel_listen) if settings.tunnel_listen else web
    ssh = public.SshProxySettings(
        listen_addr=web, tunnel_listen_addr=tunnel, web_listen_addr=web, public_addr=own, ssh_tunnel_public_addr=own
    )
    return public.ProxySettings(ssh=ssh, tls_routing_enabled=True)


def _send(client: Client) -> Callable[[Sequence[bytes]], Awaitable[None]]:
    async def send(lines: Sequence[bytes]) -> None:
        await client.call(audit.EMIT, audit.EmitEvents(events=tuple(msgspec.Raw(line) for line in lines)))

    return send


def _texts(octets: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(text.decode() for text in octets)
