"""Certificates for whoever shows one already, and for servers that are not ours."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.api.routes.certificates import (
    CertificatesIssued,
    IssueCertificates,
    IssueHostCertificate,
)
from teleport.auth.access_requests.assuming import Assuming
from teleport.auth.admin_actions import AdminActions
from teleport.auth.authorities import pem_octets
from teleport.auth.caller import Caller
from teleport.auth.certificates import Certificates, Draft, Keys, certificate_format
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.holdings import holdings_of, own_role_set
from teleport.auth.mfa import MultiFactor
from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PublicKey
from teleport.credentials.ssh_certificates import FOREVER
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import BadParameter, NotFound, Unsupported
from teleport.model.identity import Identity
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.policy.impersonation import may_impersonate

SINGLE_USE_TTL = timedelta(minutes=1)
MAX_PRINCIPALS = 64


class Issuing:
    """Reissue for oneself; issue for others where that is one's duty."""

    def __init__(
        self,
        cluster: Cluster,
        guard: Guard,
        certificates: Certificates,
        factors: MultiFactor,
        admin_actions: AdminActions,
        assuming: Assuming,
    ) -> None:
        self._cluster = cluster
        self._guard = guard
        self._certificates = certificates
        self._factors = factors
        self._admin_actions = admin_actions
        self._assuming = assuming

    async def issue(self, caller: Caller, request: IssueCertificates) -> CertificatesIssued:
        """For the caller, or for `username`: by the auth host's administrator or who may impersonate that user."""
        keys = Keys.read(request.ssh_public_key, request.tls_public_key)
        if caller.is_admin:
            if request.access_requests:
                raise BadParameter("access requests are assumed by the user they belong to")
            return await self._for_other(caller, request, keys)
        identity = caller.person()
        if request.username not in ("", identity.username):
            return await self._impersonating(caller, identity, request, keys)
        return await self._for_self(caller, identity, request, keys)

    async def _for_self(
        self, caller: Caller, shown: Identity, request: IssueCertificates, keys: Keys
    ) -> CertificatesIssued:
        device, ttl = "", request.ttl
        if request.mfa_response is not None:
            proved = await self._factors.check(caller, request.mfa_response, "session")
            device, ttl = proved.device.id, min(request.ttl or SINGLE_USE_TTL, SINGLE_USE_TTL)
        assumed = await self._assuming.assumed(caller, request.access_requests, request.drop_access_requests)
        identity = msgspec.structs.replace(
            assumed.identity,
            mfa_verified=device,
            previous_expires=shown.expires if device else shown.previous_expires,
            usage=tuple(request.usage) or shown.usage,
            route_to_cluster=request.route_to_cluster or shown.route_to_cluster,
            kubernetes_cluster=request.kubernetes_cluster,
            database_service=request.database_service,
            database_protocol=request.database_protocol,
            database_user=request.database_user,
            database_name=request.database_name,
            application_name=request.application_name,
        )
        draft = Draft(
            identity=identity,
            role_set=assumed.role_set,
            keys=keys,
            now=self._cluster.clock.now(),
            address=caller.address,
            wanted_ttl=ttl if ttl is not None else shown.expires - self._cluster.clock.now(),
            ceiling=assumed.ceiling,
            shown=assumed.identity,
            format=certificate_format(request.format),
        )
        return await self._certificates.issue(caller, draft)

    async def _impersonating(
        self, caller: Caller, shown: Identity, request: IssueCertificates, keys: Keys
    ) -> CertificatesIssued:
        """Of another user, by `impersonate` of the caller's lasting roles; never from what was impersonated itself.

        A name that nobody has, or whose roles are gone, is refused in the words for one that may not be had.
        """
        if shown.impersonator or shown.disallow_reissue:
            await self._guard.refuse(caller, "this certificate opens none of another user; log in yourself")
        if request.mfa_response is not None or request.access_requests or request.usage:
            raise BadParameter("a certificate of another user comes with that user's own roles, and nothing more")
        await self._admin_actions.require(caller, in_series=True)
        user = await self._cluster.store.find(User, request.username)
        held = await holdings_of(self._cluster, user) if user is not None else None
        found = [await self._cluster.store.find(Role, name) for name in held.roles] if held is not None else []
        roles = [role for role in found if role is not None]
        role_set = (await own_role_set(self._cluster, caller)).at(self._cluster.clock.now())
        decision = may_impersonate(role_set, user, roles)
        if user is None or len(roles) != len(found) or not decision.allowed:
            await self._guard.refuse(
                caller,
                f"you may not have certificates of user {request.username!r}: a role that impersonates this user "
                "and all roles of this user is needed",
                decision.message_for_administrator(),
            )
        return await self._for_user(caller, user, request, keys, impersonator=shown)

    async def _for_other(self, caller: Caller, request: IssueCertificates, keys: Keys) -> CertificatesIssued:
        if not request.username:
            raise BadParameter("name the user whose certificates are wanted")
        user = await self._cluster.store.find(User, request.username)
        if user is None:
            raise NotFound(f"user {request.username!r} is not found")
        return await self._for_user(caller, user, request, keys)

    async def _for_user(
        self,
        caller: Caller,
        user: User,
        request: IssueCertificates,
        keys: Keys,
        *,
        impersonator: Identity | None = None,
    ) -> CertificatesIssued:
        return await self._certificates.for_login(
            caller,
            user,
            keys,
            ttl=request.ttl,
            compatibility=request.format,
            route_to_cluster=request.route_to_cluster,
            kubernetes_cluster=request.kubernetes_cluster,
            impersonator=impersonator,
        )

    async def issue_host(self, caller: Caller, request: IssueHostCertificate) -> CertificatesIssued:
        """An SSH host certificate for a stock sshd. It is no identity: it opens nothing here."""
        if request.tls_public_key:
            raise Unsupported("only SSH certificates are made for hosts that are not ours")
        if not request.ssh_public_key or not request.principals:
            raise BadParameter("an SSH public key and at least one principal are needed")
        if len(request.principals) > MAX_PRINCIPALS:
            raise BadParameter(f"at most {MAX_PRINCIPALS} principals are allowed")
        await self._guard.require(
            caller, "create", "host_cert", fields={"principals": list(request.principals), "role": "Node"}
        )
        await self._admin_actions.require(caller, in_series=True)
        now, name = self._cluster.clock.now(), self._cluster.name
        host_id = new_uuid()
        identity = Identity(
            username=f"{host_id}.{name}",
            cluster=name,
            expires=(now + request.ttl).replace(microsecond=0) if request.ttl else FOREVER,
            system_role="Node",
            host_id=host_id,
        )
        line = ssh_certificates.issue_host(
            identity,
            PublicKey.from_text(request.ssh_public_key),
            await self._cluster.authorities.ssh("host"),
            now,
            request.principals,
        )
        (users,) = await self._cluster.authorities.trusted("user")
        return CertificatesIssued(
            username=identity.username,
            ssh_certificate=line.encode(),
            host_signers=await self._cluster.authorities.host_signers(),
            tls_authorities=pem_octets(users.tls_certificates),
            expires=identity.expires if request.ttl else None,
        )
