"""The TLS contexts of a host: made from its identity and the authorities it trusts, made anew when either changes."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from teleport.credentials import tls_contexts
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.vouching import Voucher
from teleport.foundation.errors import BadParameter
from teleport.wire.tls_names import ALPN_HTTP

Authorities = Callable[[], Sequence[TrustedAuthority]]


class HostTls:
    """`certificate` and `key` are PEM. `authorities` are asked for each time: a changed set makes new contexts."""

    def __init__(self, certificate: str, key: str, authorities: Authorities) -> None:
        self._certificate = certificate
        self._key = key
        self._authorities = authorities
        self._made: dict[tuple[object, ...], ssl.SSLContext] = {}
        self._voucher: Voucher | None = None

    def renew(self, certificate: str, key: str) -> None:
        """From the next connection on."""
        self._certificate, self._key = certificate, key
        self._made.clear()
        self._voucher = None

    def internal(self, alpn: str, *, require_certificate: bool = True) -> ssl.SSLContext:
        """For our own programs: shows the host certificate, asks for one of the user or host authority."""
        trusted = self._certificates("user", "host")
        return self._keep(
            ("internal", alpn, require_certificate, trusted),
            lambda: tls_contexts.server_context(
                self._certificate,
                self._key,
                client_ca_pems=trusted,
                require_client_certificate=require_certificate,
                alpn=(alpn,),
            ),
        )

    def public(self) -> ssl.SSLContext:
        """For whoever has no certificate: the chain carries the host authority, which a pin vouches for."""
        chain = self._certificate + "".join(self._certificates("host"))
        return self._keep(("public", chain), lambda: tls_contexts.server_context(chain, self._key, alpn=(ALPN_HTTP,)))

    def client(self, alpn: str = ALPN_HTTP) -> ssl.SSLContext:
        """For dialling our own services as this host."""
        trusted = self._certificates("host")
        return self._keep(
            ("client", alpn, trusted),
            lambda: tls_contexts.client_context(
                trusted, chain_pem=self._certificate, key_pem=self._key, alpn=(alpn,)
            ),
        )

    def voucher(self, cluster: str) -> Voucher:
        """To vouch with this identity for the addresses of others."""
        if self._voucher is None:
            self._voucher = Voucher(cluster, self._certificate, self._key)
        return self._voucher

    def _certificates(self, *kinds: str) -> tuple[str, ...]:
        return tuple(
            certificate
            for authority in self._authorities()
            if authority.kind in kinds
            for certificate in authority.tls_certificates
        )

    def _keep(self, key: tuple[object, ...], make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        if key not in self._made:
            if len(self._made) > 32:
                self._made.clear()
            self._made[key] = make()
        return self._made[key]


class PublicCertificates:
    """The certificates an operator gave the proxy, chosen by the name asked for; read again when files change."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]]) -> None:
        self._pairs = tuple(pairs)
        self._read: tuple[float, ...] = ()
        self._by_name: list[tuple[tuple[str, ...], ssl.SSLContext]] = []
        self.reload()

    def reload(self) -> bool:
        """All or nothing. False when nothing changed. Raises BadParameter; what was read before stays in use."""
        stamps = tuple(self._stamp(path) for pair in self._pairs for path in pair)
        if stamps == self._read:
            return False
        self._by_name = [self._load(certificate, key) for certificate, key in self._pairs]
        self._read = stamps
        return True

    def choose(self, server_name: str) -> ssl.SSLContext:
        wanted = server_name.lower().rstrip(".")
        for names, context in self._by_name:
            if any(_covers(name, wanted) for name in names):
                return context
        return self._by_name[0][1]

    @staticmethod
    def _stamp(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError as problem:
            raise BadParameter(f"https_keypairs: {path}: {problem.strerror}") from None

    @staticmethod
    def _load(certificate: Path, key: Path) -> tuple[tuple[str, ...], ssl.SSLContext]:
        from teleport.credentials import x509

        try:
            chain, private = certificate.read_text(encoding="ascii"), key.read_text(encoding="ascii")
            context = tls_contexts.server_context(chain, private, alpn=(ALPN_HTTP,))
        except (OSError, UnicodeDecodeError, ssl.SSLError) as problem:
            raise BadParameter(f"https_keypairs: {certificate} with {key}: {problem}") from None
        return x509.server_names(chain), context


def _covers(name: str, wanted: str) -> bool:
    name = name.lower()
    return name == wanted or (name.startswith("*.") and wanted.partition(".")[2] == name[2:])
