"""A proxy vouches for the address of whom it passes on: signed with its own host key, in a PROXY header.

Auth sees only the proxy's connection, and an address that anybody could have written would be no address at all.
The extension's value: 8 bytes of unix seconds, 2 bytes of length, the proxy's certificate (DER), the signature over
everything that matters. It is good for a minute and for one cluster.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from teleport.credentials import peers, x509
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.foundation.errors import NotAuthenticated
from teleport.wire.proxy_protocol import ProxyHeader, encode_v2

EXTENSION = 0xE4
"""Of the range that the PROXY protocol leaves to applications (section 2.2.7)."""
GOOD_FOR = timedelta(seconds=60)

_CONTEXT = b"teleport client address v1\0"
_Endpoint = tuple[str, int]


class Voucher:
    """`certificate` and `key` of a proxy, PEM."""

    def __init__(self, cluster: str, certificate: str, key: str) -> None:
        self._cluster = cluster
        self._certificate = x509.to_der(certificate)
        self._key = PrivateKey.from_pem(key)

    def header(self, client: _Endpoint, server: _Endpoint, now: datetime) -> bytes:
        """A PROXY header for a connection from `client` to `server`, both with IP addresses."""
        server = _of_family(client, server)
        seconds = int(now.timestamp())
        signature = self._key.sign(_signed(self._cluster, client, server, seconds, self._certificate))
        value = seconds.to_bytes(8, "big") + len(self._certificate).to_bytes(2, "big") + self._certificate + signature
        return encode_v2(client, server, [(EXTENSION, value)])


def vouched_client(
    header: ProxyHeader, authorities: Sequence[TrustedAuthority], now: datetime, *, cluster: str
) -> _Endpoint:
    """The client's address that a proxy of this cluster vouches for. Raises NotAuthenticated for any other header."""
    value = next((value for kind, value in header.extensions if kind == EXTENSION), b"")
    if header.source is None or header.destination is None or len(value) < 10:
        raise NotAuthenticated("a PROXY header that no proxy of this cluster vouches for")
    seconds, size = int.from_bytes(value[:8], "big"), int.from_bytes(value[8:10], "big")
    certificate, signature = value[10 : 10 + size], value[10 + size :]
    peers.verify_host(certificate, authorities, now, cluster=cluster, roles=("Proxy",))
    signed = _signed(cluster, header.source, header.destination, seconds, certificate)
    if not PublicKey(x509.load(certificate).public_key()).verify(signature, signed):  # type: ignore[arg-type]
        raise NotAuthenticated("a PROXY header whose signature is wrong")
    if abs(now.timestamp() - seconds) > GOOD_FOR.total_seconds():
        at = datetime.fromtimestamp(min(seconds, 1 << 37), UTC)
        raise NotAuthenticated(f"a PROXY header that was signed at {at:%Y-%m-%d %H:%M:%S}Z; check the clocks")
    return header.source


def _signed(cluster: str, client: _Endpoint, server: _Endpoint, seconds: int, certificate: bytes) -> bytes:
    text = f"{cluster}\0{client[0]}\0{client[1]}\0{server[0]}\0{server[1]}\0{seconds}\0"
    return _CONTEXT + text.encode() + certificate


def _of_family(client: _Endpoint, server: _Endpoint) -> _Endpoint:
    """A header speaks of one family: where ours is another, only the port says anything."""
    family = ipaddress.ip_address(client[0]).version
    if ipaddress.ip_address(server[0]).version == family:
        return server
    return ("::" if family == 6 else "0.0.0.0", server[1])
