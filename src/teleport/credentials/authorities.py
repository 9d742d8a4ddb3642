"""Certificate authorities as this floor sees them: the public halves to trust, and a half that signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import msgspec

from teleport.credentials.keys import Signer
from teleport.foundation.errors import Unsupported
from teleport.model.resources.cert_authority import CAType, CertAuthority

AuthorityKind = CAType


class TrustedAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier knows of one authority. During rotation several keys are trusted at once.

    `tls_certificates` are PEM, `ssh_keys` lines as in authorized_keys, `jwt_keys` public keys in PEM.
    """

    kind: AuthorityKind
    cluster: str
    tls_certificates: tuple[str, ...] = ()
    ssh_keys: tuple[str, ...] = ()
    jwt_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class TlsAuthority:
    """An authority that signs X.509 certificates; `certificate` is its own, in PEM."""

    kind: AuthorityKind
    cluster: str
    certificate: str
    signer: Signer


@dataclass(frozen=True)
class SshAuthority:
    """An authority that signs SSH certificates."""

    kind: AuthorityKind
    cluster: str
    signer: Signer


def trusted(resource: CertAuthority) -> TrustedAuthority:
    """What to trust of an authority's resource: its active and its additional keys. Raises Unsupported."""
    keys = resource.trusted_keys()
    for kind in get_args(CAType):
        if resource.type == kind:
            return TrustedAuthority(
                kind=kind,
                cluster=resource.metadata.name,
                tls_certificates=tuple(key.cert for key in keys.tls),
                ssh_keys=tuple(key.public_key for key in keys.ssh),
                jwt_keys=tuple(key.public_key for key in keys.jwt),
            )
    raise Unsupported(f"certificate authority of type {resource.type!r} is not known here")
