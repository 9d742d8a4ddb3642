"""Who is at the other end of a TLS connection: the certificate it proved, read against the authorities we trust.

An authority speaks for one cluster and one sort of holder, and signs directly. Anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from teleport.credentials import subject
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.x509 import load
from teleport.foundation.errors import BadParameter, NotAuthenticated
from teleport.model.identity import Identity

_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}

_UNREADABLE = (
    x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm,
)  # fmt: skip


def verify_peer(der: bytes, authorities: Sequence[TrustedAuthority], now: datetime) -> Identity:
    """The holder of a certificate signed by a user or host authority among `authorities`.

    The TLS handshake has proved that the peer holds the key. Raises NotAuthenticated.
    """
    try:
        certificate = _certificate(der)
        authority = _issuer(der, authorities, now)
        _check_shape(certificate)
        _check_period(certificate, now)
        identity = subject.decode(
            certificate.subject, certificate.not_valid_after_utc, is_host=authority.kind == "host"
        )
    except (BadParameter, ValueError, *_UNREADABLE) as problem:
        raise NotAuthenticated(f"certificate refused: {problem}") from problem
    if identity.cluster != authority.cluster:
        raise NotAuthenticated(
            f"certificate refused: it names cluster {identity.cluster!r} and is signed by {authority.cluster!r}"
        )
    return identity


def verify_host(
    der: bytes, authorities: Sequence[TrustedAuthority], now: datetime, *, cluster: str, roles: Iterable[str]
) -> Identity:
    """`verify_peer`, and the peer is a host of `cluster` with at least one of the system `roles`.

    For a client that must know it reached the proxy or the auth service itself. Raises NotAuthenticated.
    """
    identity = verify_peer(der, authorities, now)
    wanted = set(roles)
    if not identity.is_host or identity.cluster != cluster:
        raise NotAuthenticated(f"expected a host of cluster {cluster!r}, found {identity.username!r}")
    if not wanted & {identity.system_role, *identity.system_roles}:
        raise NotAuthenticated(
            f"expected a host with role {' or '.join(sorted(wanted))}, found {identity.system_role}"
        )
    return identity


def _issuer(der: bytes, authorities: Sequence[TrustedAuthority], now: datetime) -> TrustedAuthority:
    for authority, pem in _candidates(authorities):
        try:
            _check_signature(der, pem)
        except (InvalidSignature, ValueError, TypeError):
            continue
        _check_period(_authority_certificate(pem), now)
        return authority
    raise NotAuthenticated("certificate refused: no trusted user or host authority signed it")


def _candidates(authorities: Sequence[TrustedAuthority]) -> Iterator[tuple[TrustedAuthority, str]]:
    for authority in authorities:
        if authority.kind in ("user", "host"):
            for pem in authority.tls_certificates:
                yield authority, pem


@lru_cache(maxsize=256)
def _certificate(der: bytes) -> x509.Certificate:
    """Peers come again with the same one, for each connection of theirs."""
    return load(der)


@lru_cache(maxsize=512)
def _check_signature(der: bytes, pem: str) -> None:
    """Raises InvalidSignature, ValueError. Once good it is good for ever: whom we trust is asked each time."""
    _certificate(der).verify_directly_issued_by(_authority_certificate(pem))


@lru_cache(maxsize=256)
def _authority_certificate(pem: str) -> x509.Certificate:
    return load(pem)


def _check_shape(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    if stranger := next((item for item in extensions if item.critical and item.oid not in _UNDERSTOOD), None):
        raise BadParameter(f"critical extension {stranger.oid.dotted_string} is not understood")
    if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise BadParameter("an authority's own certificate is no identity")
    if not extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
        raise BadParameter("its key may not sign")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
        raise BadParameter("it is not for clients")


def _check_period(certificate: x509.Certificate, now: datetime) -> None:
    if now >= certificate.not_valid_after_utc:
        raise BadParameter(f"it expired at {subject.moment_text(certificate.not_valid_after_utc)}")
    if now < certificate.not_valid_before_utc:
        raise BadParameter(f"it begins at {subject.moment_text(certificate.not_valid_before_utc)}; check the clocks")
