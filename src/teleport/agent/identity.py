"""Who this host is in the cluster: its keys, its certificates, and the authorities it was told to trust."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from teleport.api.routes.hosts import HostCredentials
from teleport.credentials import ssh_certificates
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter


class HostKeys(msgspec.Struct, frozen=True):
    """Private keys: OpenSSH's form for SSH, PKCS#8 for TLS."""

    ssh: str
    tls: str

    @classmethod
    def generate(cls) -> HostKeys:
        return cls(PrivateKey.generate("ed25519").ssh_pem(), PrivateKey.generate("ecdsa-p256").pem())

    @property
    def ssh_public(self) -> bytes:
        return PrivateKey.from_pem(self.ssh).public.ssh().encode()

    @property
    def tls_public(self) -> bytes:
        return PrivateKey.from_pem(self.tls).public.pem.encode()

    def __repr__(self) -> str:
        return "HostKeys(…)"


class HostIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a host needs to be believed, and to know whom to believe. As it is stored: a secret."""

    keys: HostKeys
    credentials: HostCredentials
    received: datetime

    @property
    def host_id(self) -> str:
        return self.credentials.host_id

    @property
    def cluster(self) -> str:
        return self.credentials.cluster

    @property
    def tls_authorities(self) -> tuple[str, ...]:
        """The host authority's certificates, PEM."""
        return tuple(text.decode() for text in self.credentials.tls_authorities)

    @property
    def user_authority(self) -> TrustedAuthority:
        """The user authority as it was when this identity was received."""
        lines = tuple(text.decode().strip() for text in self.credentials.user_ssh_authorities)
        return TrustedAuthority(kind="user", cluster=self.cluster, ssh_keys=lines)

    def is_expired(self, now: datetime) -> bool:
        return self.credentials.expires <= now

    def is_called(self, names: Iterable[str]) -> bool:
        """Whether its certificate has all these names."""
        certificate = ssh_certificates.read_host(self.credentials.ssh_certificate.decode())
        return set(names).issubset(certificate.principals)

    def renewal_due(self, now: datetime) -> timedelta:
        """Time until two thirds of its life have passed; zero when they have."""
        life = self.credentials.expires - self.received
        return max(self.received + life * 2 / 3 - now, timedelta())


def load(path: Path) -> HostIdentity | None:
    """The stored identity; None when there is none. Raises BadParameter for a file that is not one."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadParameter(f"{path}: {error.strerror}") from error
    try:
        return msgspec.json.decode(content, type=HostIdentity)
    except msgspec.MsgspecError as error:
        raise BadParameter(f"{path} holds no identity of a host ({error}): remove it to join anew") from error


def store(path: Path, identity: HostIdentity) -> None:
    """Replace what is stored, as a whole, readable for this user alone. Raises OSError."""
    temporary = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(identity))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
