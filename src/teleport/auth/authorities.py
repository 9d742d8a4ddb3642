"""The cluster's authorities: made at the first start, each with its own keys; used to sign; shown to all who trust.

A rotation keeps several keys: the first of `active_keys` signs, `additional_trusted_keys` are trusted beside them.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from teleport.api.routes.certificates import Authority
from teleport.api.routes.login import HostSigner
from teleport.credentials import x509
from teleport.credentials.authorities import AuthorityKind, SshAuthority, TlsAuthority, TrustedAuthority
from teleport.credentials.keys import KeyKind, Signer
from teleport.credentials.keystore.keystore import KeyReference, Keystore
from teleport.foundation.clock import Clock
from teleport.foundation.errors import AlreadyExists, NotFound
from teleport.model.resource import Metadata
from teleport.model.resources.cert_authority import (
    CAKeySet,
    CASecrets,
    CASecretsSpec,
    CertAuthority,
    CertAuthoritySpec,
    JWTKey,
    KeyPair,
    SSHKey,
    TLSKey,
)
from teleport.model.resources.rotation import Rotation
from teleport.model.sensitive import Secret
from teleport.storage.store import CreateOf, Store

KINDS: tuple[AuthorityKind, ...] = (
    "host",
    "user",
    "db",
    "db_client",
    "openssh",
    "jwt",
    "saml_idp",
    "oidc_idp",
    "spiffe",
)

# Which keys an authority has, in the suite balanced-v1: Ed25519 for SSH, P-256 for everything else.
_SSH: tuple[AuthorityKind, ...] = ("host", "user", "openssh")
_TLS: tuple[AuthorityKind, ...] = ("host", "user", "db", "db_client", "saml_idp", "spiffe")
_JWT: tuple[AuthorityKind, ...] = ("jwt", "oidc_idp", "spiffe")


class Authorities:
    """Reads and uses the authorities of this cluster; a parsed key is kept until its resource changes."""

    def __init__(self, store: Store, keystore: Keystore, clock: Clock, cluster: str) -> None:
        self._store = store
        self._keystore = keystore
        self._clock = clock
        self._cluster = cluster
        self._signers: dict[str, tuple[str, dict[str, list[Signer]]]] = {}
        self._trusted: dict[AuthorityKind, tuple[str, TrustedAuthority]] = {}

    async def create_missing(self) -> list[str]:
        """Make each authority that does not exist; their kinds. Safe when two servers start together."""
        created: list[str] = []
        for kind in KINDS:
            if await self._store.find(CertAuthority, f"{kind}/{self._cluster}") is None:
                await self._create(kind)
                created.append(kind)
        return created

    async def tls(self, kind: AuthorityKind) -> TlsAuthority:
        """The signing half for X.509."""
        authority = await self._resource(kind)
        signer = (await self._signing(kind))["tls"][0]
        return TlsAuthority(kind, self._cluster, authority.spec.active_keys.tls[0].cert, signer)

    async def ssh(self, kind: AuthorityKind) -> SshAuthority:
        """The signing half for SSH."""
        return SshAuthority(kind, self._cluster, (await self._signing(kind))["ssh"][0])

    async def trusted(self, *kinds: AuthorityKind) -> tuple[TrustedAuthority, ...]:
        """The public halves of these kinds (none named: all)."""
        found: list[TrustedAuthority] = []
        for kind in kinds or KINDS:
            resource = await self._resource(kind)
            revision, known = self._trusted.get(kind, ("", None))
            if known is None or revision != resource.revision:
                known = trusted_authority(resource)
                self._trusted[kind] = (resource.revision, known)
            found.append(known)
        return tuple(found)

    async def host_signers(self) -> tuple[HostSigner, ...]:
        """What a client needs to trust this cluster's hosts."""
        (host,) = await self.trusted("host")
        return (
            HostSigner(
                domain_name=self._cluster,
                checking_keys=pem_octets(host.ssh_keys),
                tls_certs=pem_octets(host.tls_certificates),
            ),
        )

    async def described(self) -> tuple[Authority, ...]:
        """All authorities for people: keys, certificates, pins and where a rotation stands."""
        return tuple([_described(await self._resource(kind)) for kind in KINDS])

    async def pins(self) -> tuple[str, ...]:
        """`sha256:…` of each host authority's key that is trusted, the signing one first."""
        (host,) = await self.trusted("host")
        return tuple(x509.ca_pin(certificate) for certificate in host.tls_certificates)

    async def private_keys(self, kind: AuthorityKind) -> dict[str, list[Signer]]:
        """The signers by use (`ssh`, `tls`, `jwt`)."""
        return await self._signing(kind)

    async def _resource(self, kind: AuthorityKind) -> CertAuthority:
        return await self._store.get(CertAuthority, f"{kind}/{self._cluster}")

    async def _signing(self, kind: AuthorityKind) -> dict[str, list[Signer]]:
        secrets = await self._store.get(CASecrets, f"{kind}/{self._cluster}")
        revision, known = self._signers.get(kind, ("", {}))
        if revision != secrets.revision or not known:
            known = {
                "ssh": [self._signer(pair) for pair in secrets.spec.ssh],
                "tls": [self._signer(pair) for pair in secrets.spec.tls],
                "jwt": [self._signer(pair) for pair in secrets.spec.jwt],
            }
            self._signers[kind] = (secrets.revision, known)
        return known

    def _signer(self, pair: KeyPair) -> Signer:
        return self._keystore.signer(msgspec.json.decode(pair.private.reveal(), type=KeyReference))

    async def _create(self, kind: AuthorityKind) -> None:
        keys, secrets = CAKeySet(), CASecretsSpec(type=kind)
        if kind in _SSH:
            reference, signer = await self._new_key("ed25519")
            line = signer.public.ssh()
            keys.ssh.append(SSHKey(public_key=line))
            secrets.ssh.append(_pair(line, reference))
        if kind in _TLS:
            reference, signer = await self._new_key("ecdsa-p256")
            certificate = x509.create_authority(kind, self._cluster, signer, self._clock.now()).certificate
            keys.tls.append(TLSKey(cert=certificate))
            secrets.tls.append(_pair(certificate, reference))
        if kind in _JWT:
            reference, signer = await self._new_key("ecdsa-p256")
            keys.jwt.append(JWTKey(public_key=signer.public.pem))
            secrets.jwt.append(_pair(signer.public.pem, reference))
        authority = CertAuthority(
            sub_kind=kind,
            metadata=Metadata(name=self._cluster),
            spec=CertAuthoritySpec(type=kind, cluster_name=self._cluster, active_keys=keys, rotation=Rotation()),
        )
        hidden = CASecrets(sub_kind=kind, metadata=Metadata(name=self._cluster), spec=secrets)
        try:
            await self._store.transact([CreateOf(hidden), CreateOf(authority)])
        except AlreadyExists:
            return  # another server that started with us was first

    async def _new_key(self, kind: KeyKind) -> tuple[KeyReference, Signer]:
        reference = await self._keystore.generate(kind)
        return reference, self._keystore.signer(reference)


def trusted_authority(resource: CertAuthority) -> TrustedAuthority:
    """The resource as verifiers take it."""
    keys = resource.trusted_keys()
    return TrustedAuthority(
        kind=_kind(resource.type),
        cluster=resource.spec.cluster_name,
        tls_certificates=tuple(key.cert for key in keys.tls),
        ssh_keys=tuple(key.public_key for key in keys.ssh),
        jwt_keys=tuple(key.public_key for key in keys.jwt),
    )


def pem_octets(texts: Iterable[str]) -> tuple[bytes, ...]:
    """Texts as the API carries them."""
    return tuple(text.encode() for text in texts)


def _kind(text: str) -> AuthorityKind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise NotFound(f"authorities of type {text!r} are not known here")


def _pair(public: str, reference: KeyReference) -> KeyPair:
    return KeyPair(public=public, private=Secret(msgspec.json.encode(reference).decode()))


def _described(resource: CertAuthority) -> Authority:
    keys = resource.trusted_keys()
    return Authority(
        type=resource.type,
        cluster=resource.spec.cluster_name,
        phase=(resource.spec.rotation.phase if resource.spec.rotation else "") or "standby",
        ssh_keys=pem_octets(key.public_key for key in keys.ssh),
        tls_certificates=pem_octets(key.cert for key in keys.tls),
        jwt_keys=pem_octets(key.public_key for key in keys.jwt),
        pins=tuple(x509.ca_pin(key.cert) for key in keys.tls),
    )
