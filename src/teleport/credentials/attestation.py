"""Which makes of authenticator may be registered: their attestation must descend from an allowed authority."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from fido2.attestation.base import Attestation
from fido2.webauthn import AttestationObject

from teleport.foundation.errors import BadParameter

_MAX_CHAIN = 8


def check_authorities(pems: Sequence[str], field: str) -> None:
    """Raises BadParameter for what is no certificate: a list that cannot be read would refuse every device."""
    for number, pem in enumerate(pems):
        try:
            x509.load_pem_x509_certificate(pem.encode())
        except ValueError as problem:
            raise BadParameter(f"{field}[{number}]: expected a certificate in PEM") from problem


class AttestationPolicy:
    """With no list at all everything passes; else a device that does not prove its make is refused."""

    def __init__(self, *, allowed: Sequence[str], denied: Sequence[str]) -> None:
        self._allowed = [x509.load_pem_x509_certificate(pem.encode()) for pem in allowed]
        self._denied = [x509.load_pem_x509_certificate(pem.encode()) for pem in denied]

    def verify(self, attestation: AttestationObject, client_data_hash: bytes) -> None:
        """Raises ValueError, or the library's InvalidAttestation for a statement that does not hold."""
        if not self._allowed and not self._denied:
            return
        statement = Attestation.for_type(attestation.fmt)()
        result = statement.verify(attestation.att_stmt, attestation.auth_data, client_data_hash)
        if not result.trust_path:
            raise ValueError("its make is not attested, and this cluster lets in devices by their make")
        if len(result.trust_path) > _MAX_CHAIN:
            raise ValueError("its attestation chain is too long")
        chain = [x509.load_der_x509_certificate(bytes(der)) for der in result.trust_path]
        _check_chain(chain)
        if any(_descends(certificate, self._denied) for certificate in chain):
            raise ValueError("its make is denied in this cluster")
        if self._allowed and not any(_descends(certificate, self._allowed) for certificate in chain):
            raise ValueError("its make is not allowed in this cluster")


def _check_chain(chain: Sequence[x509.Certificate]) -> None:
    for holder, issuer in pairwise(chain):
        if not _is_authority(issuer) or not _is_issued_by(holder, issuer):
            raise ValueError("its attestation chain does not hold")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _descends(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    return any(certificate == authority or _is_issued_by(certificate, authority) for authority in authorities)


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
