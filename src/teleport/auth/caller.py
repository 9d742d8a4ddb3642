"""Who is calling. The certificate of the connection says it, and nothing a caller writes into a request does.

A proxy may tell the address of whom it calls for, and the web session of the person; the same headers from anybody
else are not read.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Any

from teleport.api.endpoint import CLIENT_ADDRESS_HEADER, MFA_HEADER, WEB_SESSION_HEADER
from teleport.api.route import Audience, Route
from teleport.api.server import Peer
from teleport.auth.cluster import Cluster
from teleport.auth.limits import RateLimiter
from teleport.auth.live_sessions import find_live
from teleport.credentials import peers, x509
from teleport.foundation.errors import AccessDenied, NotAuthenticated, NotFound
from teleport.model.events.user import AuthFailed
from teleport.model.identity import Identity
from teleport.model.resources.lock import Lock
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.model.resources.user_login_state import UserLoginState
from teleport.policy import locks
from teleport.policy.role_set import RoleSet

MAX_USER_AGENT = 256


@dataclass(frozen=True)
class Caller:
    """`identity` None: a stranger. `role_set` is of people only; hosts have fixed duties (policy.system_roles).

    `mfa_answer` is what came with the call to prove a second factor; nobody has checked it. `web_session` names the
    session of a person who calls from a browser.
    """

    address: str
    identity: Identity | None = None
    role_set: RoleSet | None = None
    user_agent: str = ""
    mfa_answer: str = ""
    web_session: str = ""

    @property
    def name(self) -> str:
        """For events: the user, or `<host id>.<cluster>` of a host; empty for a stranger."""
        return self.identity.username if self.identity else ""

    @property
    def system_role(self) -> str:
        return self.identity.system_role if self.identity else ""

    @property
    def host_id(self) -> str:
        """Of a host; empty for people and strangers."""
        return self.identity.host_id if self.identity and self.identity.is_host else ""

    @property
    def is_admin(self) -> bool:
        """The administrator of the auth host itself, or an auth server."""
        return self.system_role in ("Admin", "Auth")

    @property
    def is_person(self) -> bool:
        return self.identity is not None and not self.identity.is_host

    def known(self) -> Identity:
        """Raises NotAuthenticated for a stranger."""
        if self.identity is None:
            raise NotAuthenticated("this call needs a certificate of the cluster; log in first")
        return self.identity

    def person(self) -> Identity:
        """Raises AccessDenied for hosts."""
        identity = self.known()
        if identity.is_host:
            raise AccessDenied("this call is for users, a host has no account")
        return identity

    def event_fields(self) -> dict[str, Any]:
        """What events say of whoever acts."""
        fields: dict[str, Any] = {"addr_remote": self.address, "user_agent": self.user_agent}
        if self.identity is not None:
            fields |= {
                "user": self.identity.username,
                "impersonator": self.identity.impersonator,
                "access_requests": list(self.identity.active_requests),
                "user_cluster_name": self.identity.cluster,
                "user_roles": list(self.identity.roles) if self.is_person else [],
            }
        return fields


class Callers:
    """Admits callers to Routes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._limiter = RateLimiter(cluster.clock)

    async def admit(self, peer: Peer, route: Route[Any, Any]) -> Caller:
        """Raises NotAuthenticated, AccessDenied, LimitExceeded."""
        identity = await self._identify(peer)
        address = _client_address(peer, identity)
        agent = peer.headers.get("user-agent", "")[:MAX_USER_AGENT]
        if route.audience is not Audience.AUTHENTICATED and route.heavy:
            self._limiter.take(address)
        if route.audience is Audience.PUBLIC:
            return Caller(address, user_agent=agent)
        if identity is None:
            raise NotAuthenticated("this call needs a certificate of the cluster; log in first")
        caller = Caller(address, identity, user_agent=agent, mfa_answer=peer.headers.get(MFA_HEADER, ""))
        await self._check_locks(caller)
        if identity.system_role == "Proxy" and (secret := peer.headers.get(WEB_SESSION_HEADER)):
            caller = await self._of_session(caller, secret)
            identity = caller.known()
            await self._check_locks(caller)
        if route.audience is Audience.PROXY:
            if identity.system_role != "Proxy":
                raise await self._refused(caller, "this call is for proxies")
            return caller
        return caller if identity.is_host else await self._with_roles(caller)

    async def _identify(self, peer: Peer) -> Identity | None:
        if not peer.certificate:
            return None
        return await self._verified(peer.certificate)

    async def _of_session(self, proxy: Caller, secret: str) -> Caller:
        """The person of a web session in place of the proxy that calls for her."""
        session, _ = await find_live(self._cluster, secret)
        identity = await self._verified(x509.to_der(session.tls_certificate_at(self._cluster.clock.now())))
        if identity.is_host:
            raise NotAuthenticated("a web session is a person's")
        return replace(proxy, identity=identity, web_session=session.name)

    async def _verified(self, certificate: bytes) -> Identity:
        trusted = await self._cluster.authorities.trusted("user", "host")
        identity = peers.verify_peer(certificate, trusted, self._cluster.clock.now())
        if identity.cluster != self._cluster.name:
            raise NotAuthenticated(f"the certificate belongs to cluster {identity.cluster!r}")
        return identity

    async def _check_locks(self, caller: Caller) -> None:
        identity = caller.known()
        in_force = [lock async for lock in self._cluster.store.iterate(Lock)]
        lock = locks.blocking(in_force, identity, None, self._cluster.clock.now())
        if lock is not None:
            raise await self._refused(caller, locks.message(lock))

    async def _with_roles(self, caller: Caller) -> Caller:
        identity = caller.person()
        if identity.pinned_ip and identity.pinned_ip != caller.address:
            raise await self._refused(caller, "the certificate is pinned to another IP address; log in again")
        if identity.user_type == "local" and await self._cluster.store.find(User, identity.username) is None:
            raise await self._refused(caller, "the user of this certificate does not exist any more")
        await self._refuse_withdrawn(caller, identity)
        role_set = await role_set_of(self._cluster, identity)
        if role_set.options.pin_source_ip and not identity.pinned_ip:
            raise await self._refused(caller, "the certificate must be pinned to an IP address; log in again")
        return replace(caller, role_set=role_set)

    async def _refuse_withdrawn(self, caller: Caller, identity: Identity) -> None:
        """What an access list gave ends with the membership, also in certificates from before."""
        state = await self._cluster.store.find(UserLoginState, identity.username)
        if state is None:
            return
        user = await self._cluster.store.find(User, identity.username)
        if gone := state.withdrawn_from(identity, user, self._cluster.clock.now()):
            raise await self._refused(caller, gone)

    async def _refused(self, caller: Caller, message: str) -> AccessDenied:
        event = AuthFailed(success=False, error=message, **caller.event_fields())
        return AccessDenied(message, event_id=await self._cluster.journal.record(event))


async def role_set_of(cluster: Cluster, identity: Identity) -> RoleSet:
    """As roles are in force now. Raises AccessDenied when one is gone: without it the others could allow more."""
    roles: dict[str, Role] = {}
    for name in identity.roles:
        try:
            roles[name] = await cluster.store.get(Role, name)
        except NotFound:
            raise AccessDenied(f"role {name!r} does not exist any more; log in again") from None
    return cluster.role_sets.for_identity(identity, roles, cluster.name).at(cluster.clock.now())


def _client_address(peer: Peer, identity: Identity | None) -> str:
    if identity is None or identity.system_role != "Proxy":
        return peer.address
    told = peer.headers.get(CLIENT_ADDRESS_HEADER, "")
    try:
        return str(ipaddress.ip_address(told.rpartition(":")[0].strip("[]") if _has_port(told) else told.strip("[]")))
    except ValueError:
        return peer.address


def _has_port(text: str) -> bool:
    return text.count(":") == 1 or "]:" in text
