"""Hosts: joining by a token, renewing what they have, and what the auth server gives itself.

Whatever is wrong with a token, the one who asks reads the same; the audit log has the reason.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, get_args

import msgspec

from teleport.api.routes.hosts import HostCredentials, Join, RenewHost
from teleport.auth.authorities import pem_octets
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.host_ids import HostIds
from teleport.auth.settings import HOST_CERTIFICATE_TTL
from teleport.auth.tokens import static_tokens
from teleport.credentials import ssh_certificates, x509
from teleport.credentials.join import shared_token
from teleport.credentials.join.methods import method_named
from teleport.credentials.join.shared_token import REFUSAL
from teleport.credentials.keys import PublicKey
from teleport.credentials.tokens import equal
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound, RevisionConflict
from teleport.foundation.logs import get_logger
from teleport.model.events.join import InstanceJoined, InstanceJoinRefused
from teleport.model.identity import Identity, SystemRole
from teleport.model.resource import Resource
from teleport.model.resources.node import Node
from teleport.model.resources.service_heartbeats import AuthServer, ProxyServer
from teleport.model.resources.token import Token, TokenStatus, system_role
from teleport.model.sensitive import mask_name

log = get_logger("auth.hosts")

MAX_NAMES = 64
_HOST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.:-]{0,251}[A-Za-z0-9_])?")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_ROLES: tuple[SystemRole, ...] = tuple(role for role in get_args(SystemRole) if role not in ("", "Admin", "Bot"))
_HEARTBEATS: dict[SystemRole, type[Resource]] = {"Node": Node, "Proxy": ProxyServer, "Auth": AuthServer}


class HostRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is common to joining and renewing, checked."""

    host_id: str
    node_name: str
    role: SystemRole
    ssh_key: PublicKey
    tls_key: PublicKey
    principals: tuple[str, ...]
    dns_names: tuple[str, ...]
    system_roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Join | RenewHost) -> HostRequest:
        """Raises BadParameter."""
        if not _HOST_ID.fullmatch(request.host_id):
            raise BadParameter("host_id must be a UUID in lower case")
        if not _HOST_NAME.fullmatch(request.node_name):
            raise BadParameter(f"node_name {request.node_name!r} is not a host name")
        extra = (*request.additional_principals, *request.dns_names)
        if len(extra) > MAX_NAMES:
            raise BadParameter(f"at most {MAX_NAMES} additional names are allowed, {len(extra)} were sent")
        for name in extra:
            if not _HOST_NAME.fullmatch(name) and name != "::1":
                raise BadParameter(f"name {name!r} is neither a host name nor an IP address")
        return cls(
            host_id=request.host_id,
            node_name=request.node_name,
            role=_role(request.role),
            ssh_key=PublicKey.from_text(request.public_ssh_key),
            tls_key=PublicKey.from_text(request.public_tls_key),
            principals=request.additional_principals,
            dns_names=request.dns_names,
        )


class Hosts:
    """Gives hosts their identities."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._ids = HostIds(cluster.store)

    async def join(self, caller: Caller, request: Join) -> HostCredentials:
        """A host's first identity, earned by a token."""
        method_named(request.method)
        host = HostRequest.of(request)
        token = await self._find_token(request.token)
        decision = shared_token.check(
            token,
            shared_token.JoinRequest(
                token=request.token,
                role=host.role,
                host_id=host.host_id,
                node_name=host.node_name,
                method=request.method,
            ),
            self._cluster.clock.now(),
        )
        if token is None or not decision.allowed:
            raise await self._refused(caller, request, token, decision.reason, REFUSAL)
        await self._check_not_taken(caller, request, token, host)
        if not await self._use_up(token):
            raise await self._refused(caller, request, token, "the token is used up", REFUSAL)
        credentials = await self.issue(host)
        event = InstanceJoined(success=True, **self._join_fields(caller, request, token))
        await self._cluster.journal.record(event)
        return credentials

    async def renew(self, caller: Caller, request: RenewHost) -> HostCredentials:
        """The same host, the same role (or one its instance certificate lists), new keys and time."""
        identity = caller.known()
        host = HostRequest.of(request)
        may_have = {identity.system_role, *identity.system_roles}
        if not identity.is_host or identity.host_id != host.host_id or host.role not in may_have:
            why = f"{identity.username!r} may not renew the identity of host {host.host_id} as {host.role}"
            event = InstanceJoinRefused(success=False, error=why, **self._join_fields(caller, request, None))
            event_id = await self._cluster.journal.record(event)
            raise AccessDenied("a host renews its own identity, in the role it has", event_id=event_id)
        system_roles = identity.system_roles if host.role == "Instance" else ()
        credentials = await self.issue(msgspec.structs.replace(host, system_roles=system_roles))
        await self._ids.hold(host.role, host.host_id, credentials.expires)
        return credentials

    async def issue(self, host: HostRequest, ttl: timedelta = HOST_CERTIFICATE_TTL) -> HostCredentials:
        """Certificates for a host that has proved itself, or that runs in this process."""
        now, name = self._cluster.clock.now(), self._cluster.name
        authorities = self._cluster.authorities
        identity = Identity(
            username=f"{host.host_id}.{name}",
            cluster=name,
            expires=(now + ttl).replace(microsecond=0),
            system_role=host.role,
            system_roles=host.system_roles,
            host_id=host.host_id,
        )
        # ssh asks for host names in small letters, however they were typed
        called = dict.fromkeys((host.node_name, host.node_name.lower()))
        names = [form for one in called for form in (one, f"{one}.{name}")]
        names += host.principals
        if host.role in ("Proxy", "Auth"):
            names += _LOCAL_NAMES
        tls_names = dict.fromkeys((*names, *host.dns_names))
        tls = x509.issue_host(identity, host.tls_key, await authorities.tls("host"), now, tls_names)
        ssh = ssh_certificates.issue_host(identity, host.ssh_key, await authorities.ssh("host"), now, names)
        (hosts, users) = await authorities.trusted("host", "user")
        return HostCredentials(
            host_id=host.host_id,
            cluster=name,
            role=host.role,
            ssh_certificate=ssh.encode(),
            tls_certificate=tls.encode(),
            tls_authorities=pem_octets(hosts.tls_certificates),
            ssh_authorities=pem_octets(hosts.ssh_keys),
            user_tls_authorities=pem_octets(users.tls_certificates),
            user_ssh_authorities=pem_octets(users.ssh_keys),
            expires=identity.expires,
        )

    async def _find_token(self, secret: str) -> Token | None:
        for token in await static_tokens(self._cluster):
            if equal(token.name, secret):
                return token
        try:
            return await self._store.find(Token, secret) if secret else None
        except BadParameter:
            return None  # no token is called like this

    async def _check_not_taken(self, caller: Caller, request: Join, token: Token, host: HostRequest) -> None:
        """A token must not give a stranger the name of a host that is there, or away, in whatever role it is.

        One process may be several services: a token for all of them lets it add another.
        """
        for role, kind in _HEARTBEATS.items():
            if role != host.role and role in token.spec.roles:
                continue
            if await self._store.find(kind, host.host_id) is not None:
                why = f"a {role} with host id {host.host_id} is connected"
                raise await self._refused(caller, request, token, why, f"{why}; let it renew its identity instead")
            if await self._ids.is_held(role, host.host_id):
                why = f"a {role} with host id {host.host_id} has joined and its certificate is still good"
                what_to_do = "let it come back with the identity it has, or remove host_uuid from the data directory"
                raise await self._refused(caller, request, token, why, f"{why}; {what_to_do} to join as a new host")

    async def _use_up(self, token: Token) -> bool:
        """Count one use, over what was read: two hosts cannot share the last one."""
        if not token.spec.uses:
            return True
        while True:
            left = token.uses_left
            if left is not None and left <= 0:
                return False
            token.status = TokenStatus(used=(token.status.used if token.status else 0) + 1)
            try:
                if token.uses_left == 0:
                    await self._store.delete(Token, token.name, token.revision)
                else:
                    await self._store.update(token)
                return True
            except RevisionConflict:
                token = await self._store.get(Token, token.name)
            except NotFound:
                return False

    async def _refused(self, caller: Caller, request: Join, token: Token | None, why: str, told: str) -> AccessDenied:
        event = InstanceJoinRefused(success=False, error=why, **self._join_fields(caller, request, token))
        return AccessDenied(told, event_id=await self._cluster.journal.record(event))

    def _join_fields(self, caller: Caller, request: Join | RenewHost, token: Token | None) -> dict[str, Any]:
        fields: dict[str, Any] = {
            **caller.event_fields(),
            "node_name": request.node_name[:255],
            "host_id": request.host_id[:64],
            "role": request.role[:32],
        }
        if isinstance(request, Join):
            fields |= {"method": request.method, "token_name": mask_name(request.token)[-64:]}
        if token is not None and token.expires is not None:
            fields["token_expires"] = token.expires
        return fields


def _role(text: str) -> SystemRole:
    wanted = system_role(text)
    for role in _ROLES:
        if role == wanted:
            return role
    raise BadParameter(f"role {text!r} is no role of a host here; expected one of {', '.join(_ROLES)}")
