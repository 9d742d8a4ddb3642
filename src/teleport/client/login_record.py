"""What a login's certificates say, kept beside them so that `tsh status` and `tsh ls` start without cryptography.

The record counts only for the certificate it was made from; whoever finds another reads the certificate itself.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from teleport.client.files import read_text, write_private
from teleport.client.profile import KeyPaths
from teleport.foundation.errors import NotAuthenticated

Authority = Literal["user", "host"]


class LoginRecord(NamedTuple):
    """`mark` is of the TLS certificate this was read from; times are UTC."""

    mark: str
    username: str
    cluster: str
    valid_until: datetime
    roles: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    traits: tuple[tuple[str, tuple[str, ...]], ...] = ()
    extensions: tuple[str, ...] = ()
    active_requests: tuple[str, ...] = ()
    allowed_resources: tuple[str, ...] = ()
    kubernetes_cluster: str = ""
    kubernetes_users: tuple[str, ...] = ()
    kubernetes_groups: tuple[str, ...] = ()

    def is_expired(self, now: datetime) -> bool:
        return now >= self.valid_until


def mark_of(certificate: str) -> str:
    """The end of a PEM certificate: part of its signature, which no other certificate has. Costs no import."""
    return "".join(certificate.split("-----END")[0].split())[-64:]


def save(paths: KeyPaths, record: LoginRecord) -> None:
    values = record._asdict()
    values["valid_until"] = record.valid_until.astimezone(UTC).isoformat()
    values["traits"] = dict(record.traits)
    write_private(paths.status, json.dumps(values, indent=1))


def load(paths: KeyPaths) -> LoginRecord:
    """Raises NotAuthenticated when there are no certificates."""
    try:
        certificate = read_text(paths.tls_certificate)
    except FileNotFoundError:
        raise NotAuthenticated("no certificates are stored, run `tsh login`") from None
    try:
        record = _read(read_text(paths.status))
        if record.mark == mark_of(certificate):
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the record is a convenience: the certificate answers as well
    return of_certificate(certificate)


def of_certificate(certificate: str, extensions: tuple[str, ...] = (), signed_by: Authority = "user") -> LoginRecord:
    """Reads the certificate itself. Raises BadParameter."""
    from teleport.credentials import x509

    identity = x509.read_identity(certificate, signed_by)
    return LoginRecord(
        mark_of(certificate),
        identity.username,
        identity.cluster,
        identity.expires,
        identity.roles,
        identity.logins,
        tuple((name, tuple(values)) for name, values in identity.traits.items()),
        extensions,
        identity.active_requests,
        tuple(str(resource) for resource in identity.allowed_resources),
        identity.kubernetes_cluster,
        identity.kubernetes_users,
        identity.kubernetes_groups,
    )


def _read(text: str) -> LoginRecord:
    values: dict[str, Any] = json.loads(text)
    values["valid_until"] = datetime.fromisoformat(values["valid_until"])
    values["traits"] = tuple((name, tuple(texts)) for name, texts in values["traits"].items())
    found: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return LoginRecord(**found)
