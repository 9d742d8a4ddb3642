"""Certificate authorities of a cluster that lives in a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from teleport.credentials import x509
from teleport.credentials.authorities import AuthorityKind, SshAuthority, TlsAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.model.identity import Identity

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Authority:
    """One authority with all its keys."""

    def __init__(self, kind: AuthorityKind, cluster: str = "example", now: datetime = NOW) -> None:
        self.kind, self.cluster = kind, cluster
        self.ssh_key = PrivateKey.generate("ed25519")
        self.tls: TlsAuthority = x509.create_authority(kind, cluster, PrivateKey.generate("ecdsa-p256"), now)
        self.ssh = SshAuthority(kind=kind, cluster=cluster, signer=self.ssh_key)

    @property
    def trusted(self) -> TrustedAuthority:
        return TrustedAuthority(
            kind=self.kind,
            cluster=self.cluster,
            tls_certificates=(self.tls.certificate,),
            ssh_keys=(self.ssh_key.public.ssh(),),
        )


def alice(cluster: str = "example", now: datetime = NOW) -> Identity:
    """A person who may be root and alice for an hour."""
    return Identity(
        username="alice",
        cluster=cluster,
        expires=now + HOUR,
        roles=("access", "editor"),
        logins=("root", "alice"),
        traits={"logins": ("root",)},
    )


def host(role: str = "Node", cluster: str = "example", now: datetime = NOW) -> Identity:
    """A host of one system role for an hour."""
    host_id = "3d0e9d0c-6a3e-4c46-9f86-3f6b9c1c1a11"
    return Identity(
        username=f"{host_id}.{cluster}",
        host_id=host_id,
        cluster=cluster,
        expires=now + HOUR,
        system_role=role,  # type: ignore[arg-type]
    )
