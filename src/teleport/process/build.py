"""Settings to services: the one place that names concrete back ends and puts daemons beside each other."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from teleport import __version__
from teleport.agent import registration
from teleport.agent.heartbeat import LabelCommand
from teleport.agent.service import AgentConfig, AgentService
from teleport.auth.bootstrap import LocalIdentity
from teleport.auth.service import AuthService
from teleport.auth.settings import Settings as ClusterSettings
from teleport.client import identity_file
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.foundation import metrics
from teleport.foundation.clock import Clock, SystemClock
from teleport.foundation.logs import get_logger
from teleport.foundation.service import Service
from teleport.net.address import Address
from teleport.net.listener import inheritance
from teleport.net.sockets import EVERYWHERE
from teleport.process import data_dir
from teleport.process.auth_server import AuthServer
from teleport.process.config.settings import AuthSettings, NodeSettings, ProxySettings, Settings
from teleport.process.config.singletons import allows_no_second_factor, configured
from teleport.process.diagnostics import DiagnosticsService
from teleport.process.first_user import FirstUser
from teleport.process.health import Health
from teleport.process.membership import LocalMember, Membership
from teleport.process.passage import Elsewhere, InProcess, Passage
from teleport.process.proxy_server import Place, ProxyServer
from teleport.storage.audit_log import AuditLog
from teleport.storage.backends.sqlite import SqliteBackend
from teleport.storage.measured import MeasuredBackend
from teleport.storage.recording_files import FileRecordings
from teleport.storage.store import Store

log = get_logger("process")

DRAIN = 5.0
"""Seconds that running sessions are given when the process is told to stop (SIGTERM)."""
ADMIN_FILE = "admin_identity"
_WHOLE = "start"
"""The part of health that is well once everything has started."""
_BUILD = metrics.gauge("teleport_build_info", "The running version", ("gitref", "goversion", "version"))


class Building:
    """Use as an async context: `services` in the order of their start; leaving closes what they stand on."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._closing = contextlib.AsyncExitStack()
        self._health = Health()
        self._auth: AuthService | None = None
        self._auth_server: AuthServer | None = None
        self.services: list[Service] = []

    async def __aenter__(self) -> Self:
        runtime = f"python{platform.python_version()}"  # where others name the language they are written in
        _BUILD.labels(gitref="", goversion=runtime, version=__version__).set(1)
        self._health.expect(_WHOLE)
        settings = self._settings
        self._host_id = data_dir.host_id(settings.data_dir)
        if settings.diagnostics is not None:
            self.services.append(DiagnosticsService(settings.diagnostics, self._health))
        if settings.metrics is not None:
            self.services.append(DiagnosticsService(settings.metrics, self._health, only_metrics=True))
        try:
            if settings.auth is not None:
                await self._build_auth(settings.auth)
            self._membership = Membership(settings, self._host_id, self._clock, self._auth)
            if settings.proxy is not None:
                self._build_proxy(settings.proxy)
            if settings.node is not None:
                self._build_node(settings.node)
            if self._auth is not None:
                self.services.append(FirstUser(self._auth))
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()

    @property
    def writers(self) -> tuple[str, ...]:
        """Names of the services that must have ended before `release`."""
        return (AuthServer.name, FirstUser.name, LocalMember.name)

    async def release(self) -> None:
        """Close what services stand on: another process may write there afterwards. May be called twice."""
        await self._closing.aclose()

    def started(self) -> None:
        """Everything runs: say so."""
        inheritance.discard()
        self._health.beat(_WHOLE, True)
        log.info("teleport is running", roles=",".join(self._settings.roles), version=__version__)

    def drain_for(self, seconds: float) -> None:
        """How long running sessions may take when the services are stopped."""
        for service in self.services:
            if isinstance(service, ProxyServer | AuthServer | AgentService):
                service.drain_timeout = seconds

    def log_diagnostics(self) -> None:
        log.info("diagnostics", state=self._health.state.name, services=",".join(s.name for s in self.services))

    async def _build_auth(self, settings: AuthSettings) -> None:
        storage = settings.storage
        for directory in (storage.path, storage.events, storage.recordings):
            data_dir.prepare(directory)
        backend = await SqliteBackend.open(storage.path, self._clock, synchronous=storage.synchronous)
        self._closing.push_async_callback(backend.close)
        events = storage.events / self._host_id
        audit_log = await AuditLog.open(events, self._clock, link=storage.events / "events.log")
        self._closing.push_async_callback(audit_log.close)
        self._auth = AuthService(
            self._cluster_settings(settings),
            Store(MeasuredBackend(backend), self._clock),
            audit_log,
            FileRecordings(storage.recordings, self._clock),
            SoftwareKeystore(),
            self._clock,
            self._save_admin,
        )
        self._auth_server = AuthServer(self._auth, settings.listen, _hosts(settings.public), drain=DRAIN)
        self.services.append(self._auth_server)

    def _cluster_settings(self, settings: AuthSettings) -> ClusterSettings:
        return ClusterSettings(
            cluster_name=settings.cluster_name,
            host_id=self._host_id,
            version=__version__,
            host_name=self._settings.nodename,
            public_addrs=self._public_addresses(),
            configured=configured(settings),
            first_user_logins=(_own_name(),),
            allow_no_second_factor=allows_no_second_factor(os.environ),
        )

    def _public_addresses(self) -> tuple[str, ...]:
        """What links and passkeys are made for: what the operator said, else what works on this machine."""
        proxy = self._settings.proxy
        if proxy is None:
            return ()
        return tuple(map(str, proxy.public)) or (f"localhost:{proxy.listen.port}",)

    def _save_admin(self, identity: LocalIdentity) -> None:
        """What `tctl` on this host uses: an identity file that only the owner of the data directory reads."""
        credentials = identity.credentials
        names = f"*.{credentials.cluster},{credentials.cluster}"
        content = identity_file.IdentityFile(
            tls_key=identity.tls_key,
            ssh_key=identity.ssh_key,
            ssh_certificate=credentials.ssh_certificate.decode(),
            tls_certificate=credentials.tls_certificate.decode(),
            tls_authorities=tuple(pem.decode() for pem in credentials.tls_authorities),
            host_authorities=tuple(f"@cert-authority {names} {key.decode()}" for key in credentials.ssh_authorities),
        )
        identity_file.save(str(self._settings.data_dir / ADMIN_FILE), content)

    def _build_proxy(self, settings: ProxySettings) -> None:
        place = Place(
            self._host_id, self._settings.nodename, self._settings.data_dir, self._clock, self._health,
            self._settings.max_connections,
        )  # fmt: skip
        self._health.expect(ProxyServer.name)
        self.services.append(ProxyServer(settings, place, self._passage(), self._membership.identity, drain=DRAIN))

    def _build_node(self, settings: NodeSettings) -> None:
        folder = self._membership.folder("node")
        names = _reached_at(settings)
        config = AgentConfig(
            data_dir=folder,
            enrolment=self._membership.enrolment("Node", names),
            proxies=self._membership.proxies(),
            listen=settings.listen,
            public=settings.public,
            labels=settings.labels,
            commands={label.name: LabelCommand(label.command, label.period) for label in settings.commands},
            permit_user_environment=settings.permit_user_env,
            permit_port_forwarding=settings.port_forwarding,
            permit_file_copy=settings.file_copy,
            offers=settings.offers,
            drain=timedelta(seconds=DRAIN),
        )
        if self._auth is not None:
            self.services.append(LocalMember(self._auth, folder / registration.IDENTITY_FILE, names, self._clock))
        self.services.append(AgentService(config, self._clock))

    def _passage(self) -> Passage:
        if self._auth_server is not None:
            return InProcess(self._auth_server)
        return Elsewhere(self._membership.server())


def _hosts(addresses: Sequence[Address]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.host for address in addresses))


def _reached_at(settings: NodeSettings) -> tuple[str, ...]:
    """What clients call the node that reach it without a proxy: each has to stand in its certificate."""
    listen = [settings.listen] if settings.listen is not None and settings.listen.host not in EVERYWHERE else []
    return _hosts((*settings.public, *listen))


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"
