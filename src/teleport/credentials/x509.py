"""X.509 certificates: authorities, people, hosts, and the proxy's web port.

People are signed by the user authority and hosts by the host authority; `peers` reads the difference back.
Certificates begin one minute in the past, for clocks that go slow.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from teleport.credentials import internal_names, subject
from teleport.credentials.authorities import AuthorityKind, TlsAuthority
from teleport.credentials.keys import PublicKey, Signer
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated
from teleport.model.identity import Identity

BACKDATED = timedelta(minutes=1)
_AUTHORITY_LIFETIME = timedelta(days=3652)
_MAX_BYTES = 64 * 1024


def create_authority(kind: AuthorityKind, cluster: str, signer: Signer, now: datetime) -> TlsAuthority:
    """A self-signed authority for ten years. It signs holders directly: no authority below it is accepted."""
    serial = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name(cluster)),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, cluster),
            # authorities of one cluster share the other two: chain builders need a difference
            x509.NameAttribute(NameOID.SERIAL_NUMBER, str(serial)),
        ]
    )
    builder = (
        _builder(name, name, signer.public, now, now + _AUTHORITY_LIFETIME, serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return TlsAuthority(kind=kind, cluster=cluster, certificate=_sign(builder, signer), signer=signer)


def issue_user(identity: Identity, public_key: PublicKey, ca: TlsAuthority, now: datetime) -> str:
    """PEM for a person, until `identity.expires` or the authority's end. Raises BadParameter."""
    if identity.is_host:
        raise BadParameter(f"{identity.username!r} is a host: the user authority speaks for people only")
    return _issue(identity, public_key, ca, now, "user", [ExtendedKeyUsageOID.CLIENT_AUTH], None)


def issue_host(
    identity: Identity, public_key: PublicKey, ca: TlsAuthority, now: datetime, names: Iterable[str] = ()
) -> str:
    """PEM for a host, good for both ends of a connection. Raises BadParameter.

    It is reached by `names` (host names and IP addresses) besides its id and the internal names of its roles.
    """
    if not identity.is_host:
        raise BadParameter(f"{identity.username!r} is a person: the host authority speaks for hosts only")
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    wanted = tuple(dict.fromkeys((*internal_names.host_names(identity), *names)))
    internal_names.check_names(identity, wanted)
    return _issue(identity, public_key, ca, now, "host", usage, _alternative_names(wanted))


def issue_server(
    names: Sequence[str], signer: Signer, now: datetime, lifetime: timedelta = timedelta(days=365)
) -> str:
    """PEM, self-signed, for a proxy's web port without a certificate of its own; names or IP addresses."""
    if not names:
        raise BadParameter("a server certificate needs a name")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name(names[0]))])
    builder = (
        _builder(name, name, signer.public, now, now + lifetime, x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_alternative_names(names), critical=False)
    )
    return _sign(builder, signer)


def read_identity(certificate: bytes | str, kind: AuthorityKind) -> Identity:
    """The holder of a certificate of one's own, NOT verified. Strangers go through `peers`. Raises BadParameter."""
    parsed = load(certificate)
    return subject.decode(parsed.subject, parsed.not_valid_after_utc, is_host=kind == "host")


def load(certificate: bytes | str) -> x509.Certificate:
    """DER, or PEM whose first certificate counts. Raises BadParameter."""
    raw = certificate.encode() if isinstance(certificate, str) else certificate
    if len(raw) > _MAX_BYTES * 2:
        raise BadParameter(f"certificate of {len(raw)} bytes is too long")
    is_pem = raw.lstrip().startswith(b"-----")
    try:
        parsed = x509.load_pem_x509_certificate(raw) if is_pem else x509.load_der_x509_certificate(raw)
        # the library reads these when they are first asked for: what is broken in them must show here
        _ = parsed.version, parsed.subject, parsed.issuer
    except (ValueError, TypeError, x509.InvalidVersion) as problem:
        raise BadParameter("certificate: expected X.509 in PEM or DER") from problem
    return parsed


def ca_pin(certificate: bytes | str) -> str:
    """`sha256:` and the hex SHA-256 of the certificate's SubjectPublicKeyInfo."""
    return "sha256:" + hashlib.sha256(public_key(certificate).der).hexdigest()


def check_pins(certificates: Iterable[bytes | str], pins: Iterable[str]) -> None:
    """Every authority that a cluster offers must match a pin. Raises NotAuthenticated, naming what was found."""
    expected = {pin.strip().lower() for pin in pins}
    found = [ca_pin(certificate) for certificate in certificates]
    if strangers := [pin for pin in found if pin not in expected] or (["nothing"] if not found else []):
        raise NotAuthenticated(
            f"the cluster's authority does not match the CA pin: expected {', '.join(sorted(expected))}, "
            f"found {', '.join(strangers)}; check the address and the pin (tctl status)"
        )


def expires(certificate: bytes | str) -> datetime:
    return load(certificate).not_valid_after_utc


def begins(certificate: bytes | str) -> datetime:
    return load(certificate).not_valid_before_utc


def serial_number(certificate: bytes | str) -> str:
    """Decimal, as audit events print it."""
    return str(load(certificate).serial_number)


def server_names(certificate: bytes | str) -> tuple[str, ...]:
    """The host names and IP addresses that a server may use this certificate for."""
    try:
        extension = load(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in extension.get_values_for_type(x509.IPAddress))
    return (*extension.get_values_for_type(x509.DNSName), *addresses)


def public_key(certificate: bytes | str) -> PublicKey:
    key = load(certificate).public_key()
    return PublicKey.from_pem(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def to_der(certificate: bytes | str) -> bytes:
    return load(certificate).public_bytes(serialization.Encoding.DER)


def to_pem(certificate: bytes | str) -> str:
    return load(certificate).public_bytes(serialization.Encoding.PEM).decode()


def _issue(
    identity: Identity,
    public_key: PublicKey,
    ca: TlsAuthority,
    now: datetime,
    kind: AuthorityKind,
    usage: list[x509.ObjectIdentifier],
    names: x509.SubjectAlternativeName | None,
) -> str:
    if ca.kind != kind or ca.cluster != identity.cluster:
        raise BadParameter(
            f"the {ca.kind} authority of {ca.cluster!r} does not sign {kind} certificates of {identity.cluster!r}"
        )
    authority = load(ca.certificate)
    end = min(identity.expires, authority.not_valid_after_utc)
    if end <= now:
        raise BadParameter(f"certificate of {identity.username!r} would have ended at {end:%Y-%m-%d %H:%M:%S}")
    holder = subject.encode(identity)
    builder = (
        _builder(holder, authority.subject, public_key, now, end, x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.signer.public.native), critical=False)
    )
    return _sign(builder.add_extension(names, critical=False) if names else builder, ca.signer)


def _builder(
    holder: x509.Name, issuer: x509.Name, key: PublicKey, now: datetime, end: datetime, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(holder)
        .issuer_name(issuer)
        .public_key(key.native)
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.native), critical=False)
    )


def _sign(builder: x509.CertificateBuilder, signer: Signer) -> str:
    algorithm = None if isinstance(signer.native, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(signer.native, algorithm).public_bytes(serialization.Encoding.PEM)
    if len(certificate) > _MAX_BYTES:
        raise LimitExceeded(
            f"certificate of {len(certificate)} bytes: too many roles, logins or traits for one identity"
        )
    return certificate.decode()


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Iterable[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(name) for name in names])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name or not name.isascii() or not name.isprintable() or " " in name or len(name) > 253:
        raise BadParameter(f"{name!r} is neither a host name nor an IP address")
    return x509.DNSName(name)
