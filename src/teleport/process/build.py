"""Settings to services: the one place that names concrete back ends and puts daemons beside each other."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from teleport import __version__
from teleport.auth.bootstrap import FirstInvitation, LocalIdentity
from teleport.auth.service import AuthService
from teleport.auth.settings import Settings as ClusterSettings
from teleport.client import identity_file
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.foundation import metrics
from teleport.foundation.clock import Clock, SystemClock
from teleport.foundation.logs import get_logger
from teleport.foundation.service import Service
from teleport.model.identity import SystemRole
from teleport.net.address import Address
from teleport.process import data_dir
from teleport.process.auth_server import AuthServer
from teleport.process.config.settings import AuthSettings, Settings
from teleport.process.diagnostics import DiagnosticsService
from teleport.process.health import Health
from teleport.process.proxy_server import Place, ProxyServer
from teleport.process.singletons import configured
from teleport.proxy.gateways.auth import AuthAcceptor
from teleport.storage.audit_log import AuditLog
from teleport.storage.backends.sqlite import SqliteBackend
from teleport.storage.recording_files import FileRecordings
from teleport.storage.store import Store

log = get_logger("process")

IDENTITY_TTL = timedelta(days=30)
ADMIN_FILE = "admin_identity"
TRUE = ("1", "yes", "true", "on")
_BUILD = metrics.gauge("teleport_build_info", "The running version", ("version",))


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
        _BUILD.labels(version=__version__).set(1)
        settings = self._settings
        self._host_id = data_dir.host_id(settings.data_dir)
        if settings.diagnostics is not None:
            self.services.append(DiagnosticsService(settings.diagnostics, self._health))
        if settings.metrics is not None:
            self.services.append(DiagnosticsService(settings.metrics, self._health, only_metrics=True))
        try:
            if settings.auth is not None:
                await self._build_auth(settings.auth)
            if settings.proxy is not None:
                self._build_proxy()
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    def started(self) -> None:
        """Everything runs: say so."""
        log.info("teleport is running", roles=",".join(self._settings.roles), version=__version__)

    def drain_for(self, seconds: float) -> None:
        """How long running sessions may take when the services are stopped."""
        for service in self.services:
            if isinstance(service, ProxyServer | AuthServer):
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
            Store(backend, self._clock),
            audit_log,
            FileRecordings(storage.recordings, self._clock),
            SoftwareKeystore(),
            self._clock,
            self._save_admin,
        )
        self._auth_server = AuthServer(self._auth, settings.listen, _hosts(settings.public), drain=25.0)
        self.services.append(self._auth_server)
        self.services.append(FirstUser(self._auth, self._settings.proxy is not None))

    def _cluster_settings(self, settings: AuthSettings) -> ClusterSettings:
        return ClusterSettings(
            cluster_name=settings.cluster_name,
            host_id=self._host_id,
            version=__version__,
            host_name=self._settings.nodename,
            public_addrs=self._public_addresses(),
            configured=configured(settings),
            first_user_logins=(_own_name(),),
            allow_no_second_factor=os.environ.get("TELEPORT_ALLOW_NO_SECOND_FACTOR", "").lower()
            in ("1", "yes", "true"),
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

    def _build_proxy(self) -> None:
        assert self._settings.proxy is not None
        place = Place(
            cluster=self._cluster_name(),
            host_id=self._host_id,
            hostname=self._settings.nodename,
            data_dir=self._settings.data_dir,
            clock=self._clock,
            health=self._health,
        )
        self._health.expect(ProxyServer.name)
        self.services.append(ProxyServer(self._settings.proxy, place, self._passage(), self._identity))

    def _cluster_name(self) -> str:
        assert self._settings.auth is not None
        return self._settings.auth.cluster_name

    def _passage(self) -> InProcess:
        assert self._auth_server is not None
        return InProcess(self._auth_server)

    async def _identity(self, role: SystemRole, names: Sequence[str]) -> LocalIdentity:
        assert self._auth is not None
        return await self._auth.local_identity(role, IDENTITY_TTL, tuple(names))


class InProcess:
    """Auth runs beside the proxy: the API over loopback, connections for auth handed over."""

    def __init__(self, server: AuthServer) -> None:
        self._server = server
        self.acceptor: AuthAcceptor | None = AuthAcceptor(server.take)

    @property
    def address(self) -> Address:
        bound = self._server.bound[0]
        loopback = {"::": "::1", "0.0.0.0": "127.0.0.1", "": "127.0.0.1"}
        return Address(loopback.get(bound.host, bound.host), bound.port)


class FirstUser:
    """Prints the way in while there is no user. A service, so that it comes after auth and before nobody waits."""

    name = "first user"

    def __init__(self, auth: AuthService, has_proxy: bool) -> None:
        self._auth = auth
        self._has_proxy = has_proxy

    async def run(self, started: Callable[[], None]) -> None:
        import asyncio

        invitation = await self._auth.invite_first_user()
        if invitation is not None:
            print(self._text(invitation), file=sys.stderr, flush=True)
        started()
        await asyncio.get_running_loop().create_future()

    def _text(self, invitation: FirstInvitation) -> str:
        minutes = int(invitation.valid_for.total_seconds() // 60)
        where = invitation.url or f"/web/invite/{invitation.token}"
        return (
            f"\nThere is no user yet. Sign up as the first administrator, {invitation.user}, within {minutes} min:\n"
            f"\n    {where}\n\n"
            "From another machine, put this host's name or address in place of localhost, or forward the port:\n"
            "    ssh -L 3080:localhost:3080 THIS-HOST\n"
            f"A new link at any time: tctl users reset {invitation.user}\n"
        )


def _hosts(addresses: Sequence[Address]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.host for address in addresses))


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"
