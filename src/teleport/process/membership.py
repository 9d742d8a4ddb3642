"""Being part of a cluster, the one this process starts itself or one it joins, and its identities there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from teleport.agent import identity as identities
from teleport.agent import registration
from teleport.agent.identity import HostIdentity, HostKeys
from teleport.agent.registration import Enrolment
from teleport.auth.bootstrap import LocalIdentity
from teleport.auth.service import AuthService
from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter
from teleport.model.identity import SystemRole
from teleport.net.address import Address
from teleport.process.config.settings import Settings
from teleport.process.passage import reached_by

IDENTITY_TTL = timedelta(days=30)


class Membership:
    """`auth` is None where auth runs in another process."""

    def __init__(self, settings: Settings, host_id: str, clock: Clock, auth: AuthService | None) -> None:
        self._settings = settings
        self._host_id = host_id
        self._clock = clock
        self._auth = auth

    def folder(self, role: str) -> Path:
        """Where a role keeps its identity and its spools."""
        folder = self._settings.data_dir / role
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def server(self) -> Address:
        """Where this process joins: the cluster it starts itself, or the one it was told of."""
        if self._settings.auth is not None:
            return reached_by(self._settings.auth.listen)
        if self._settings.join.server is None:
            raise BadParameter("no cluster to join: give --auth-server, or enable the auth service")
        return self._settings.join.server

    def proxies(self) -> tuple[Address, ...]:
        """Where this process keeps tunnels to; none for one that joined at auth directly."""
        if self._settings.proxy is not None:
            return (reached_by(self._settings.proxy.listen),)
        return () if self._settings.auth is not None or self._settings.join.is_direct else (self.server(),)

    def enrolment(self, role: str, names: Sequence[str]) -> Enrolment:
        join = self._settings.join
        return Enrolment(
            server=self.server(),
            token=join.token,
            host_id=self._host_id,
            node_name=self._settings.nodename,
            role=role,
            ca_pins=join.ca_pins,
            principals=tuple(names),
            insecure=self._settings.insecure,
            any_version=self._settings.skip_version_check,
        )

    async def identity(self, role: SystemRole, names: Sequence[str]) -> LocalIdentity:
        """Signed here where auth runs here; else the stored one, renewed by now and then, or earned by token."""
        if self._auth is not None:
            return await self._auth.local_identity(role, IDENTITY_TTL, tuple(names))
        enrolment = self.enrolment(role, names)
        folder = self.folder(role.lower())
        found = await registration.enrol(folder, enrolment, self._clock)
        if not found.renewal_due(self._clock.now()):
            client = registration.auth_client(enrolment.server, found)
            try:
                found = await registration.renew(client, found, enrolment, self._clock)
            finally:
                await client.close()
            identities.store(folder / registration.IDENTITY_FILE, found)
        return LocalIdentity(credentials=found.credentials, tls_key=found.keys.tls, ssh_key=found.keys.ssh)


class LocalMember:
    """Gives the SSH service of auth's own process its first identity: no token is needed where the keys are made."""

    name = "node identity"

    def __init__(self, auth: AuthService, path: Path, names: Sequence[str], clock: Clock) -> None:
        self._auth = auth
        self._path = path
        self._names = tuple(names)
        self._clock = clock

    def _is_good(self, stored: HostIdentity, now: datetime) -> bool:
        cluster = self._auth.cluster
        is_ours = stored.cluster == cluster.name and stored.is_called((cluster.settings.host_name, *self._names))
        return is_ours and not stored.is_expired(now)

    async def run(self, started: Callable[[], None]) -> None:
        now = self._clock.now()
        stored = identities.load(self._path)
        if stored is None or not self._is_good(stored, now):
            made = await self._auth.local_identity("Node", IDENTITY_TTL, self._names)
            keys = HostKeys(ssh=made.ssh_key, tls=made.tls_key)
            identities.store(self._path, HostIdentity(keys=keys, credentials=made.credentials, received=now))
        started()
        await asyncio.Event().wait()
