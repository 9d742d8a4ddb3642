"""The first start, and what every start makes sure of: authorities, singletons, presets, an administrator's identity,
and as long as nobody can log in, a link for the first administrator.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from teleport.api.routes.hosts import HostCredentials
from teleport.auth.cluster import Cluster
from teleport.auth.defaults import default_singleton, kinds_always_there
from teleport.auth.hosts import HostRequest, Hosts
from teleport.auth.presets import keep_presets
from teleport.auth.second_factor import keys_of_other_parties, relying_party_name
from teleport.auth.setting_rules import check_setting
from teleport.auth.settings import ADMIN_CERTIFICATE_TTL, INVITE_TTL
from teleport.auth.user_tokens import UserTokens
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import AlreadyExists, BadParameter, NotFound, Unsupported
from teleport.foundation.logs import get_logger
from teleport.model.events.user import UserCreated
from teleport.model.identity import SystemRole
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.cluster_settings import ClusterName
from teleport.model.resources.token import StaticTokens
from teleport.model.resources.user import CreatedBy, User, UserRef, UserSpec
from teleport.model.resources.user_secrets import UserSecrets

log = get_logger("auth.bootstrap")

FIRST_USER = "admin"
FIRST_ROLES = ("editor", "access", "auditor")


class LocalIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A host identity together with its keys, for a service of the auth server's own process or host."""

    credentials: HostCredentials
    tls_key: str
    """PKCS#8 PEM."""
    ssh_key: str
    """OpenSSH PEM."""

    def __repr__(self) -> str:
        return f"LocalIdentity({self.credentials.role} {self.credentials.host_id})"


class FirstInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """The way in for the first administrator."""

    user: str
    token: str
    url: str
    valid_for: timedelta


SaveIdentity = Callable[[LocalIdentity], None]


class Bootstrap:
    """Everything here may run at each start, and beside another auth server that starts too."""

    def __init__(self, cluster: Cluster, hosts: Hosts, tokens: UserTokens) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._hosts = hosts
        self._tokens = tokens

    async def run(self) -> None:
        """Raises BadParameter when the store belongs to another cluster."""
        is_first = await self._check_cluster_name()
        if is_first:
            for resource in self._cluster.settings.bootstrap:
                await self._store.upsert(_checked(resource))
        created = await self._cluster.authorities.create_missing()
        if created:
            log.info("authorities created", kinds=",".join(created))
        await self._assert_singletons()
        await self._warn_of_lost_keys()
        await keep_presets(self._cluster)
        for resource in self._cluster.settings.apply_on_startup:
            await self._store.upsert(_checked(resource))

    async def local_identity(
        self, role: SystemRole, ttl: timedelta = ADMIN_CERTIFICATE_TTL, names: tuple[str, ...] = ()
    ) -> LocalIdentity:
        """An identity with fresh keys for the auth server itself or a service beside it, also called `names`."""
        settings = self._cluster.settings
        tls_key, ssh_key = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519")
        request = HostRequest(
            host_id=settings.host_id,
            node_name=settings.host_name,
            role=role,
            ssh_key=ssh_key.public,
            tls_key=tls_key.public,
            principals=names,
            dns_names=names,
        )
        credentials = await self._hosts.issue(request, ttl)
        return LocalIdentity(credentials=credentials, tls_key=tls_key.pem(), ssh_key=ssh_key.ssh_pem())

    async def invite_first(self) -> FirstInvitation | None:
        """A fresh link while nobody has signed up; None once somebody has, or users were made otherwise."""
        users = [user async for user in self._store.iterate(User)]
        if any(user.name != FIRST_USER for user in users):
            return None
        secrets = await self._store.find(UserSecrets, FIRST_USER)
        if secrets is not None and (secrets.spec.password_hash or secrets.spec.mfa_devices):
            return None
        if not users:
            await self._create_first_user()
        granted = await self._tokens.create(None, FIRST_USER, "invite", INVITE_TTL)
        return FirstInvitation(user=FIRST_USER, token=granted.token, url=granted.url, valid_for=INVITE_TTL)

    async def _create_first_user(self) -> None:
        logins = list(dict.fromkeys((*self._cluster.settings.first_user_logins, "root")))
        created_by = CreatedBy(time=self._cluster.clock.now(), user=UserRef(name="system"))
        spec = UserSpec(roles=list(FIRST_ROLES), traits={"logins": logins}, created_by=created_by)
        try:
            await self._store.create(User(metadata=Metadata(name=FIRST_USER), spec=spec))
        except AlreadyExists:
            return
        event = UserCreated(name=FIRST_USER, roles=list(FIRST_ROLES), connector="local", user="system")
        await self._cluster.journal.record(event)

    async def _check_cluster_name(self) -> bool:
        found = await self._store.find(ClusterName, ClusterName.SINGLETON)
        name = self._cluster.name
        if found is None:
            return True
        if found.spec.cluster_name != name:
            raise BadParameter(
                f"this data belongs to cluster {found.spec.cluster_name!r}, the name given now is {name!r}; "
                "a cluster's name never changes"
            )
        return False

    async def _warn_of_lost_keys(self) -> None:
        """The file may name another relying party than devices were registered for; it is the operator's to undo."""
        party = relying_party_name(self._cluster, await self._cluster.preference())
        lost = await keys_of_other_parties(self._cluster, party)
        if lost:
            log.warning("WebAuthn devices cannot be used: they belong to another rp_id", devices=lost, rp_id=party)

    async def _assert_singletons(self) -> None:
        for kind in kinds_always_there():
            wanted = default_singleton(self._cluster.settings, kind)
            assert wanted is not None
            try:
                check_setting(wanted, allow_no_second_factor=self._cluster.settings.allow_no_second_factor)
            except (BadParameter, Unsupported) as problem:
                raise BadParameter(f"configuration of auth_service: {problem.message}") from problem
            present = await self._store.find(kind, kind.SINGLETON)
            is_from_file = wanted.origin == "config-file"
            if present is None or is_from_file or present.origin == "config-file":
                await self._store.upsert(wanted)
        static = default_singleton(self._cluster.settings, StaticTokens)
        if static is not None:
            await self._store.upsert(static)
            return
        try:
            await self._store.delete(StaticTokens, StaticTokens.SINGLETON)
        except NotFound:
            return


def _checked(resource: Resource) -> Resource:
    resource.check()
    resource.metadata.revision = ""
    return resource
