"""SSH certificates of people and hosts, as OpenSSH reads them (PROTOCOL.certkeys), and the Identity inside.

A certificate is text: one line as in a `-cert.pub` file. Reading proves nothing; verifying asks the authorities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import ssh

from teleport.credentials import internal_names, ssh_extensions
from teleport.credentials.addresses import is_same_address, single_address
from teleport.credentials.authorities import AuthorityKind, SshAuthority, TrustedAuthority
from teleport.credentials.keys import PublicKey
from teleport.credentials.ssh_extensions import JOIN_PRINCIPAL, Permits
from teleport.credentials.x509 import BACKDATED
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated
from teleport.model.identity import Identity

__all__ = [
    "FOREVER",
    "JOIN_PRINCIPAL",
    "HostCertificate",
    "Permits",
    "UserCertificate",
    "authorized_keys_lines",
    "issue_host",
    "issue_openssh",
    "issue_user",
    "known_hosts_lines",
    "read_host",
    "read_user",
    "verify_host",
    "verify_user",
]

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of certificates that do not end: what stock hosts are given."""

_NEVER = 2**64 - 1
_SOURCE_ADDRESS = "source-address"
_MAX_PRINCIPALS = 256
_MAX_TEXT = 64 * 1024
_MALFORMED = (ValueError, TypeError, IndexError, NotImplementedError, UnsupportedAlgorithm)
_NO_EXTENSIONS: Mapping[str, str] = {}
_DEFAULT_PERMITS = Permits()


class UserCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a person's certificate says. `key` is the key it certifies, `authority` the one that signed it."""

    identity: Identity
    permits: Permits
    principals: tuple[str, ...]
    key_id: str
    serial: int
    valid_after: datetime
    valid_before: datetime
    key: PublicKey
    authority: PublicKey
    extensions: Mapping[str, str]


class HostCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a host's certificate says."""

    identity: Identity
    principals: tuple[str, ...]
    key_id: str
    serial: int
    valid_after: datetime
    valid_before: datetime
    key: PublicKey
    authority: PublicKey


def issue_user(
    identity: Identity,
    public_key: PublicKey,
    ca: SshAuthority,
    now: datetime,
    *,
    permits: Permits = _DEFAULT_PERMITS,
    extensions: Mapping[str, str] = _NO_EXTENSIONS,
    format: Literal["standard", "oldssh"] = "standard",  # noqa: A002 - the word of the reference
) -> str:
    """A line for a person, until `identity.expires`. Raises BadParameter.

    `extensions` are those that roles add. `oldssh` leaves out what old servers stumble over: our agents refuse it.
    """
    if identity.is_host:
        raise BadParameter(f"{identity.username!r} is a host: the user authority speaks for people only")
    _check_authority(ca, "user", identity)
    said = ssh_extensions.encode_user(identity)
    extra = dict(extensions)
    ssh_extensions.check_extra(extra)
    builder = _builder(identity, public_key, now, (*identity.logins, JOIN_PRINCIPAL)).type(
        ssh.SSHCertificateType.USER
    )
    if identity.pinned_ip:
        builder = builder.add_critical_option(b"source-address", single_address(identity.pinned_ip).encode())
    carried = ssh_extensions.encode_permits(permits) | ({} if format == "oldssh" else said | extra)
    return _sign(builder, carried, ca)


def issue_host(
    identity: Identity, public_key: PublicKey, ca: SshAuthority, now: datetime, principals: Iterable[str]
) -> str:
    """A line for a host called by its id, the internal names of its roles and `principals`. Raises BadParameter.

    An identity that expires at FOREVER gets a certificate without end.
    """
    if not identity.is_host:
        raise BadParameter(f"{identity.username!r} is a person: the host authority speaks for hosts only")
    _check_authority(ca, "host", identity)
    names = tuple(dict.fromkeys((*internal_names.host_names(identity), *principals)))
    internal_names.check_names(identity, names)
    for name in names:
        if not name or not name.isprintable() or "," in name or "*" in name:
            raise BadParameter(f"host {identity.username!r}: {name!r} is no name of one host")
    builder = _builder(identity, public_key, now, names).type(ssh.SSHCertificateType.HOST)
    return _sign(builder, ssh_extensions.encode_host(identity), ca)


def issue_openssh(
    identity: Identity, login: str, public_key: PublicKey, ca: SshAuthority, now: datetime, permits: Permits
) -> str:
    """A line with which a proxy enters a stock sshd as `login`, until `identity.expires`. Raises BadParameter.

    It says who comes, for sshd's log, and nothing else of them; it is signed by the openssh authority, so that no
    server of ours takes it.
    """
    if identity.is_host or ca.kind != "openssh" or ca.cluster != identity.cluster:
        raise BadParameter(f"the {ca.kind} authority does not let {identity.username!r} into servers of others")
    if not login or not login.isprintable() or login.startswith("-") or "," in login:
        raise BadParameter(f"{login!r} is no login of a server")
    builder = _builder(identity, public_key, now, (login,)).type(ssh.SSHCertificateType.USER)
    return _sign(builder, ssh_extensions.encode_permits(permits), ca)


@lru_cache(maxsize=64)
def read_user(certificate: str) -> UserCertificate:
    """NOT verified. Raises BadParameter for anything but a person's certificate.

    A login reads the same certificate several times, and people come again with it.
    """
    parsed = _load(certificate, ssh.SSHCertificateType.USER)
    extensions, principals = _extensions(parsed), _principals(parsed)
    if ssh_extensions.RESERVED.isdisjoint(extensions):
        raise BadParameter(
            "it names no cluster and no roles, as those of the format oldssh do (cert_format of a role): servers "
            "of the cluster decide by roles; get one of the format standard"
        )
    identity = ssh_extensions.decode_user(
        extensions,
        username=_text(parsed.key_id),
        logins=tuple(name for name in principals if name != JOIN_PRINCIPAL),
        pinned_ip=_pinned_ip(parsed),
        expires=_moment(parsed.valid_before),
    )
    return UserCertificate(
        identity=identity,
        permits=ssh_extensions.decode_permits(extensions),
        principals=principals,
        key_id=identity.username,
        serial=parsed.serial,
        valid_after=_moment(parsed.valid_after),
        valid_before=identity.expires,
        key=PublicKey(parsed.public_key()),
        authority=PublicKey(parsed.signature_key()),
        extensions=extensions,
    )


def read_extensions(certificate: str) -> Mapping[str, str]:
    """What a person's certificate of any format says besides, NOT verified. Raises BadParameter."""
    return _extensions(_load(certificate, ssh.SSHCertificateType.USER))


def is_signed_by(certificate: str, authorities: Sequence[TrustedAuthority]) -> bool:
    """Whether a user authority among these signed it, whatever it says and whether it is good now."""
    try:
        signed_by = PublicKey(_load(certificate, ssh.SSHCertificateType.USER).signature_key())
        _check_signature(certificate)
    except (BadParameter, InvalidSignature, *_MALFORMED):
        return False
    return any(
        _authority_key(line) == signed_by
        for authority in authorities
        if authority.kind == "user"
        for line in authority.ssh_keys
    )


def read_host(certificate: str) -> HostCertificate:
    """NOT verified. Raises BadParameter for anything but a host's certificate."""
    parsed = _load(certificate, ssh.SSHCertificateType.HOST)
    if parsed.critical_options:
        raise BadParameter("host certificate with critical options, which have no meaning for hosts")
    identity = ssh_extensions.decode_host(
        _extensions(parsed), username=_text(parsed.key_id), expires=_moment(parsed.valid_before)
    )
    return HostCertificate(
        identity=identity,
        principals=_principals(parsed),
        key_id=identity.username,
        serial=parsed.serial,
        valid_after=_moment(parsed.valid_after),
        valid_before=identity.expires,
        key=PublicKey(parsed.public_key()),
        authority=PublicKey(parsed.signature_key()),
    )


def verify_user(
    certificate: str, authorities: Sequence[TrustedAuthority], login: str, now: datetime, source_ip: str
) -> Identity:
    """The person a certificate speaks for, if she may be `login` here now, coming from `source_ip`.

    That the peer holds the certified key is the SSH exchange's to prove, before this identity is used for
    anything. Raises NotAuthenticated.
    """
    try:
        read = read_user(certificate)
        _verify_signature(certificate, read.authority, read.identity, authorities, "user")
        _check_period(read.valid_after, read.valid_before, now)
    except BadParameter as problem:
        raise NotAuthenticated(f"certificate refused: {problem}") from problem
    if login not in read.principals:
        raise NotAuthenticated(f"certificate of {read.identity.username!r} is not for login {login!r}")
    if read.identity.pinned_ip and not is_same_address(read.identity.pinned_ip, source_ip):
        raise NotAuthenticated(
            f"certificate of {read.identity.username!r} is pinned to {read.identity.pinned_ip}, "
            f"the connection comes from {source_ip or 'an unknown address'}; log in again"
        )
    return read.identity


def verify_host(
    certificate: str, authorities: Sequence[TrustedAuthority], names: Iterable[str], now: datetime
) -> Identity:
    """The host a certificate speaks for, if it may be called by one of `names`. Raises NotAuthenticated."""
    wanted = tuple(names)
    try:
        read = read_host(certificate)
        _verify_signature(certificate, read.authority, read.identity, authorities, "host")
        _check_period(read.valid_after, read.valid_before, now)
    except BadParameter as problem:
        raise NotAuthenticated(f"host certificate refused: {problem}") from problem
    if not set(wanted) & set(read.principals):
        raise NotAuthenticated(
            f"host certificate is not for {' or '.join(wanted)}: it is for {read.identity.username}"
        )
    return read.identity


def known_hosts_lines(authority: TrustedAuthority, patterns: Sequence[str]) -> list[str]:
    """`@cert-authority` lines: hosts matching `patterns` are trusted if this host authority certified them."""
    if authority.kind != "host":
        raise BadParameter(f"the {authority.kind} authority does not speak for hosts")
    return [f"@cert-authority {','.join(patterns)} {_bare(key)} type=host" for key in authority.ssh_keys]


def authorized_keys_lines(authority: TrustedAuthority) -> list[str]:
    """`cert-authority` lines: for a stock sshd that trusts this authority's certificates."""
    return [
        f"cert-authority {_bare(key)} clustername={authority.cluster}&type={authority.kind}"
        for key in authority.ssh_keys
    ]


def _check_authority(ca: SshAuthority, kind: AuthorityKind, identity: Identity) -> None:
    # the openssh authority signs people's certificates for hosts that run a stock sshd
    kinds = ("user", "openssh") if kind == "user" else (kind,)
    if ca.kind not in kinds or ca.cluster != identity.cluster:
        raise BadParameter(
            f"the {ca.kind} authority of {ca.cluster!r} does not sign {kind} certificates of {identity.cluster!r}"
        )


def _builder(
    identity: Identity, public_key: PublicKey, now: datetime, principals: Sequence[str]
) -> ssh.SSHCertificateBuilder:
    if identity.expires <= now:
        raise BadParameter(f"certificate of {identity.username!r} would have ended already")
    if len(principals) > _MAX_PRINCIPALS:
        raise LimitExceeded(f"{len(principals)} logins or names for {identity.username!r}: at most {_MAX_PRINCIPALS}")
    end = _NEVER if identity.expires >= FOREVER else int(identity.expires.timestamp())
    return (
        ssh.SSHCertificateBuilder()
        .public_key(public_key.native)
        .serial(0)
        .key_id(identity.username.encode())
        .valid_principals([name.encode() for name in principals])
        .valid_after(int((now - BACKDATED).timestamp()))
        .valid_before(end)
    )


def _sign(builder: ssh.SSHCertificateBuilder, extensions: dict[str, str], ca: SshAuthority) -> str:
    for name, value in extensions.items():
        builder = builder.add_extension(name.encode(), value.encode())
    line = builder.sign(ca.signer.native).public_bytes()
    if len(line) > _MAX_TEXT:
        raise LimitExceeded(f"certificate of {len(line)} bytes: too many roles, logins or traits for one identity")
    return line.decode()


def _load(certificate: str, kind: ssh.SSHCertificateType) -> ssh.SSHCertificate:
    if len(certificate) > _MAX_TEXT:
        raise BadParameter(f"certificate of {len(certificate)} characters is too long")
    try:
        parsed = ssh.load_ssh_public_identity(certificate.strip().encode())
        if isinstance(parsed, ssh.SSHCertificate):
            parsed.signature_key()  # read late by the library: fails here or never
    except _MALFORMED as problem:
        raise BadParameter("expected an SSH certificate signed by a plain key") from problem
    if not isinstance(parsed, ssh.SSHCertificate):
        raise BadParameter("expected an SSH certificate, found a bare key")
    if parsed.type is not kind:
        raise BadParameter(f"expected a {kind.name.lower()} certificate, found one for a {parsed.type.name.lower()}")
    if not parsed.valid_principals:
        raise BadParameter("a certificate for everybody (without principals) is for nobody")
    return parsed


def _verify_signature(
    certificate: str,
    signed_by: PublicKey,
    identity: Identity,
    authorities: Sequence[TrustedAuthority],
    kind: AuthorityKind,
) -> None:
    authority = next(
        (
            candidate
            for candidate in authorities
            if candidate.kind == kind and any(_authority_key(line) == signed_by for line in candidate.ssh_keys)
        ),
        None,
    )
    if authority is None:
        raise BadParameter(f"no trusted {kind} authority signed it")
    if authority.cluster != identity.cluster:
        raise BadParameter(f"it names cluster {identity.cluster!r} and is signed by {authority.cluster!r}")
    try:
        _check_signature(certificate)
    except (InvalidSignature, *_MALFORMED) as problem:
        raise BadParameter("its signature is wrong") from problem


@lru_cache(maxsize=256)
def _check_signature(certificate: str) -> None:
    """Raises InvalidSignature. Once good it is good for ever: who signed it and until when is asked each time."""
    parsed = ssh.load_ssh_public_identity(certificate.strip().encode())
    assert isinstance(parsed, ssh.SSHCertificate)
    parsed.verify_cert_signature()


@lru_cache(maxsize=256)
def _authority_key(line: str) -> PublicKey:
    return PublicKey.from_ssh(line)


def _bare(line: str) -> str:
    return " ".join(line.split()[:2])


def _extensions(parsed: ssh.SSHCertificate) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in parsed.extensions.items()}


def _principals(parsed: ssh.SSHCertificate) -> tuple[str, ...]:
    return tuple(_text(name) for name in parsed.valid_principals)


def _pinned_ip(parsed: ssh.SSHCertificate) -> str:
    options = {_text(name): _text(value) for name, value in parsed.critical_options.items()}
    if strangers := options.keys() - {_SOURCE_ADDRESS}:
        # a critical option means: refuse what you do not understand
        raise BadParameter(f"critical option {', '.join(sorted(strangers))} is not understood")
    return single_address(options[_SOURCE_ADDRESS]) if _SOURCE_ADDRESS in options else ""


def _check_period(begin: datetime, end: datetime, now: datetime) -> None:
    if now >= end:
        raise BadParameter(f"it expired at {end:%Y-%m-%d %H:%M:%S} UTC")
    if now < begin:
        raise BadParameter(f"it begins at {begin:%Y-%m-%d %H:%M:%S} UTC; check the clocks")


def _moment(seconds: int) -> datetime:
    return FOREVER if seconds >= FOREVER.timestamp() else datetime.fromtimestamp(seconds, UTC)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise BadParameter("certificate: text that is not UTF-8") from problem
