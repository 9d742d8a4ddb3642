"""Authorities in the form that other programs read: `tctl auth export` and its public address."""

from __future__ import annotations

from collections.abc import Callable

from teleport.api.route import Empty
from teleport.api.routes.certificates import Authorities
from teleport.api.routes.public import AuthoritiesText, ExportAuthorities
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.credentials import ssh_certificates, x509
from teleport.credentials.authorities import AuthorityKind, TrustedAuthority
from teleport.credentials.keys import ssh_fingerprint
from teleport.foundation.errors import BadParameter, NotFound


def _host_lines(authority: TrustedAuthority) -> list[str]:
    return ssh_certificates.known_hosts_lines(authority, (f"*.{authority.cluster}",))


def _user_lines(authority: TrustedAuthority) -> list[str]:
    return ssh_certificates.authorized_keys_lines(authority)


def _bare_lines(authority: TrustedAuthority) -> list[str]:
    return [" ".join(key.split()[:2]) for key in authority.ssh_keys]


def _certificates(authority: TrustedAuthority) -> list[str]:
    return [certificate.strip() for certificate in authority.tls_certificates]


def _der(authority: TrustedAuthority) -> list[str]:
    """DER is no text: hexadecimal, for a command to write as bytes."""
    return [x509.to_der(certificate).hex() for certificate in authority.tls_certificates[:1]]


def _jwt_keys(authority: TrustedAuthority) -> list[str]:
    return [key.strip() for key in authority.jwt_keys]


Lines = Callable[[TrustedAuthority], list[str]]

# type of `tctl auth export` -> authority and form
_FORMS: dict[str, tuple[AuthorityKind, Lines]] = {
    "host": ("host", _host_lines),
    "user": ("user", _user_lines),
    "openssh": ("openssh", _bare_lines),
    "tls": ("host", _certificates),
    "tls-host": ("host", _certificates),
    "tls-user": ("user", _certificates),
    "tls-user-der": ("user", _der),
    "windows": ("user", _der),
    "tls-spiffe": ("spiffe", _certificates),
    "spiffe": ("spiffe", _certificates),
    "db": ("db", _certificates),
    "db-der": ("db", _der),
    "db-client": ("db_client", _certificates),
    "db-client-der": ("db_client", _der),
    "saml-idp": ("saml_idp", _certificates),
    "jwt": ("jwt", _jwt_keys),
}


class Export:
    """What everybody may know of the authorities: their public halves."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def text(self, caller: Caller, request: ExportAuthorities) -> AuthoritiesText:
        """Raises BadParameter for an unknown type, NotFound when no key has the fingerprint."""
        if request.type and request.type not in _FORMS:
            raise BadParameter(f"type {request.type!r}: expected one of {', '.join(_FORMS)}")
        wanted = [request.type] if request.type else ["host", "user"]
        lines: list[str] = []
        for name in wanted:
            kind, form = _FORMS[name]
            if name == "user" and request.compat == "1.0":
                form = _bare_lines
            (authority,) = await self._cluster.authorities.trusted(kind)
            lines += [line for line in form(authority) if not request.fingerprint or _has(line, request.fingerprint)]
        if not lines:
            raise NotFound(f"no authority has a key with the fingerprint {request.fingerprint!r}")
        return AuthoritiesText("\n".join(lines) + "\n")

    async def all(self, caller: Caller, request: Empty) -> Authorities:
        return Authorities(await self._cluster.authorities.described())


def _has(line: str, fingerprint: str) -> bool:
    words = line.split()
    for position, word in enumerate(words):
        if word.startswith(("ssh-", "ecdsa-")):
            return ssh_fingerprint(" ".join(words[position : position + 2])) == fingerprint
    return False
