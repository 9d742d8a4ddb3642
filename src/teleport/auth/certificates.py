"""Issuing certificates to people: validate, modify, validate, enforce; the steps are one list.

A reissue starts from the certificate that is shown: it never outlives it and never carries more than it did.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from teleport.api.routes.certificates import CertificatesIssued
from teleport.auth import figures
from teleport.auth.authorities import pem_octets
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.auth.holdings import holdings_at_login
from teleport.auth.settings import CLOCK_SKEW, MAX_CERTIFICATE_TTL
from teleport.credentials import ssh_certificates, x509
from teleport.credentials.keys import PublicKey
from teleport.credentials.ssh_certificates import Permits
from teleport.foundation.errors import AccessDenied, BadParameter, Unsupported
from teleport.model.events.certificate import CertificateCreated, CertificateIdentity
from teleport.model.identity import Identity
from teleport.model.resources.lock import Lock
from teleport.model.resources.user import User
from teleport.policy import locks
from teleport.policy.certificate import CertificateTerms, certificate_terms, check_reissue
from teleport.policy.role_set import RoleSet

Format = Literal["standard", "oldssh"]
MAX_KEY_TEXT = 16 * 1024


class Keys(msgspec.Struct, frozen=True):
    """The public keys to certify; at least one."""

    ssh: PublicKey | None = None
    tls: PublicKey | None = None

    @classmethod
    def read(cls, ssh: bytes, tls: bytes) -> Keys:
        """SSH in authorized_keys form, TLS in PEM; either form is understood for both. Raises BadParameter."""
        if not ssh and not tls:
            raise BadParameter("no public key was sent, so no certificate can be made")
        if max(len(ssh), len(tls)) > MAX_KEY_TEXT:
            raise BadParameter(f"a public key is longer than {MAX_KEY_TEXT} bytes")
        return cls(PublicKey.from_text(ssh) if ssh else None, PublicKey.from_text(tls) if tls else None)


@dataclass
class Draft:
    """A certificate while it passes the steps. `identity` is what it will say; `ceiling` what it may not outlive."""

    identity: Identity
    role_set: RoleSet
    keys: Keys
    now: datetime
    address: str
    wanted_ttl: timedelta | None = None
    ceiling: datetime | None = None
    shown: Identity | None = None
    format: Format = "standard"
    terms: CertificateTerms | None = field(default=None)


class Certificates:
    """The issuing pipeline and its two doors: a login, and a live identity."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._steps: tuple[Callable[[Draft], Awaitable[None]], ...] = (
            self._validate_request,
            self._modify_by_roles,
            self._validate_result,
            self._refuse_locked,
            self._enforce_limits,
        )

    async def for_login(
        self,
        caller: Caller,
        user: User,
        keys: Keys,
        *,
        ttl: timedelta | None = None,
        compatibility: str = "",
        route_to_cluster: str = "",
        kubernetes_cluster: str = "",
        proved_device: str = "",
        impersonator: Identity | None = None,
    ) -> CertificatesIssued:
        """What a login that was just proved earns, or what `impersonator` may have of this user.

        With `proved_device` it is for one command alone: it says which second factor was used for it, and is good
        for nothing further. Sessions that it opens may last as long as those of a usual login.
        """
        now = self._cluster.clock.now()
        held = await holdings_at_login(self._cluster, user)
        identity = Identity(
            username=user.name,
            cluster=self._cluster.name,
            expires=now,
            roles=held.roles,
            traits=held.traits,
            login_ip=caller.address,
            route_to_cluster=route_to_cluster or self._cluster.name,
            kubernetes_cluster=kubernetes_cluster,
            user_type="sso" if user.is_sso else "local",
            impersonator=impersonator.username if impersonator is not None else "",
            pinned_ip=impersonator.pinned_ip if impersonator is not None else "",
        )
        role_set = await role_set_of(self._cluster, identity)
        if proved_device:
            usual = certificate_terms(role_set, None, default_ttl=await self._default_ttl()).ttl
            end = (now + usual).replace(microsecond=0)
            identity = msgspec.structs.replace(
                identity, mfa_verified=proved_device, previous_expires=end, disallow_reissue=True
            )
        draft = Draft(
            identity=identity,
            role_set=role_set,
            keys=keys,
            now=now,
            address=caller.address,
            wanted_ttl=ttl,
            ceiling=user.metadata.expires,
            format=certificate_format(compatibility),
        )
        return await self.issue(caller, draft)

    async def issue(self, caller: Caller, draft: Draft) -> CertificatesIssued:
        """Take the draft through the steps, sign it, and record what was signed."""
        figures.ISSUED.inc()
        with figures.ISSUING.track_inprogress(), figures.ISSUE_SECONDS.time():
            for step in self._steps:
                await step(draft)
            issued = await self._sign(draft)
            await self._record(caller, draft)
        return issued

    async def _validate_request(self, draft: Draft) -> None:
        if not draft.identity.username or not draft.identity.roles:
            raise AccessDenied("a certificate needs a user name and at least one role")
        if draft.identity.route_to_cluster not in ("", self._cluster.name):
            raise Unsupported(f"cluster {draft.identity.route_to_cluster!r} is not known here")

    async def _modify_by_roles(self, draft: Draft) -> None:
        draft.terms = certificate_terms(draft.role_set, draft.wanted_ttl, default_ttl=await self._default_ttl())
        draft.identity = msgspec.structs.replace(
            draft.identity,
            logins=draft.terms.logins,
            expires=self._end(draft, draft.terms.ttl),
            pinned_ip=_pinned_ip(draft),
        )

    async def _default_ttl(self) -> timedelta:
        return (await self._cluster.preference()).spec.default_session_ttl.delta

    def _end(self, draft: Draft, ttl: timedelta) -> datetime:
        end = draft.now + min(ttl, MAX_CERTIFICATE_TTL)
        if draft.ceiling is not None:
            # neither a login nor its user must be outlived by what came of it
            end = min(end, draft.ceiling)
        return end.replace(microsecond=0)

    async def _validate_result(self, draft: Draft) -> None:
        identity = draft.identity
        if identity.expires <= draft.now:
            raise AccessDenied("the login that this certificate would come from has ended; log in again")
        if draft.shown is not None:
            check_reissue(draft.shown, identity)

    async def _refuse_locked(self, draft: Draft) -> None:
        """Nothing is signed for whom every service would turn away: the lock might end before the certificate."""
        in_force = [lock async for lock in self._cluster.store.iterate(Lock)]
        if (lock := locks.blocking(in_force, draft.identity, None, draft.now)) is not None:
            raise AccessDenied(locks.message(lock))

    async def _enforce_limits(self, draft: Draft) -> None:
        assert draft.terms is not None
        if draft.identity.expires > draft.now + MAX_CERTIFICATE_TTL + CLOCK_SKEW:
            raise AccessDenied(f"no certificate lives longer than {MAX_CERTIFICATE_TTL}")
        if draft.terms.pin_source_ip and not draft.identity.pinned_ip:
            raise AccessDenied("a role wants certificates pinned to an IP address, and the address is not known")

    async def _sign(self, draft: Draft) -> CertificatesIssued:
        identity, keys, now = draft.identity, draft.keys, draft.now
        assert draft.terms is not None
        ssh_line = tls_pem = ""
        if keys.tls is not None:
            tls_pem = x509.issue_user(identity, keys.tls, await self._cluster.authorities.tls("user"), now)
        if keys.ssh is not None:
            ssh_line = ssh_certificates.issue_user(
                identity,
                keys.ssh,
                await self._cluster.authorities.ssh("user"),
                now,
                permits=_permits(draft.terms),
                extensions=draft.terms.extensions,
                format="oldssh" if "oldssh" in (draft.format, draft.terms.cert_format) else "standard",
            )
        (user_authority,) = await self._cluster.authorities.trusted("user")
        return CertificatesIssued(
            username=identity.username,
            ssh_certificate=ssh_line.encode(),
            tls_certificate=tls_pem.encode(),
            host_signers=await self._cluster.authorities.host_signers(),
            tls_authorities=pem_octets(user_authority.tls_certificates),
            expires=identity.expires,
        )

    async def _record(self, caller: Caller, draft: Draft) -> None:
        event = CertificateCreated(cert_type="user", identity=described(draft.identity), **caller.event_fields())
        event.user = event.user or draft.identity.username
        await self._cluster.journal.record(event)


def _pinned_ip(draft: Draft) -> str:
    if draft.identity.pinned_ip:
        return draft.identity.pinned_ip  # a pin is never lost on the way to another certificate
    assert draft.terms is not None
    return draft.address if draft.terms.pin_source_ip else ""


def _permits(terms: CertificateTerms) -> Permits:
    return Permits(
        pty=True,
        port_forwarding=terms.port_forwarding,
        agent_forwarding=terms.agent_forwarding,
        x11_forwarding=terms.x11_forwarding,
    )


def certificate_format(compatibility: str) -> Format:
    match compatibility:
        case "" | "standard":
            return "standard"
        case "oldssh":
            return "oldssh"
        case _:
            raise BadParameter(f"certificate format {compatibility!r}: expected standard or oldssh")


def described(identity: Identity) -> CertificateIdentity:
    """What the event of a certificate tells of it."""
    return CertificateIdentity(
        user=identity.username,
        impersonator=identity.impersonator,
        roles=list(identity.roles),
        logins=list(identity.logins),
        traits={name: list(values) for name, values in identity.traits.items()},
        expires=identity.expires,
        usage=list(identity.usage),
        route_to_cluster=identity.route_to_cluster,
        kubernetes_cluster=identity.kubernetes_cluster,
        kubernetes_users=list(identity.kubernetes_users),
        kubernetes_groups=list(identity.kubernetes_groups),
        mfa_device_uuid=identity.mfa_verified,
        client_ip=identity.login_ip,
        access_requests=list(identity.active_requests),
        allowed_resource_ids=[str(one) for one in identity.allowed_resources],
        previous_identity_expires=identity.previous_expires,
        private_key_policy=identity.private_key_policy,
        disallow_reissue=identity.disallow_reissue,
        renewable=identity.renewable,
        device_id=identity.device_id,
        device_asset_tag=identity.device_asset_tag,
        device_credential_id=identity.device_credential_id,
        bot_name=identity.bot_name,
        bot_instance_id=identity.bot_instance_id,
        pinned_ip=identity.pinned_ip,
    )
