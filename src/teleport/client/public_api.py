"""What a client asks a proxy before it has a certificate: the proxy's public TLS, verified like any web site."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from teleport.api.client import CALL_TIMEOUT
from teleport.api.endpoint import https_proxy_for
from teleport.api.route import Empty
from teleport.api.routes import public
from teleport.api.sync_client import Address, SyncClient
from teleport.client import tsh_config
from teleport.client.profile import DEFAULT_WEB_PORT, join_address, split_proxy
from teleport.credentials import tls_contexts
from teleport.foundation.errors import Unavailable

_ALPN = ["http/1.1"]
_PROBED = (DEFAULT_WEB_PORT, 443)
_PROBE_TIMEOUT = 5.0
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def find_proxy(address: str) -> tuple[str, int]:
    """Host and web port; without a port, the first of 3080 and 443 where somebody listens."""
    host, port = split_proxy(address)
    if port is not None:
        return host, port
    if https_proxy_for(host, os.environ) is not None:
        return host, _PROBED[0]
    for candidate in _PROBED:
        try:
            socket.create_connection((host, candidate), _PROBE_TIMEOUT).close()
        except OSError:
            continue
        return host, candidate
    raise Unavailable(f"cannot connect to {host}: neither port {_PROBED[0]} nor {_PROBED[1]} answers")


def connect(
    host: str,
    port: int,
    *,
    insecure: bool = False,
    authorities: Sequence[str] = (),
    timeout: float = CALL_TIMEOUT,
) -> SyncClient:
    """The public calls of a proxy; use it as a context manager. `authorities` (PEM) are trusted too."""
    if insecure:
        context = tls_contexts.unverified_client_context(alpn=_ALPN)
    else:
        context = tls_contexts.system_client_context(authorities, alpn=_ALPN)
    address = Address(host=host, port=port, through=https_proxy_for(host, os.environ))
    headers = tsh_config.load().headers_for(join_address(host, port))
    return SyncClient(address, context, headers=headers, timeout=timeout)


def pinned_authorities(host: str, port: int, pins: Sequence[str]) -> list[str]:
    """The host authorities that the proxy names, if one has a pinned key: nothing is believed before that.

    Raises NotAuthenticated when none has.
    """
    from teleport.credentials import x509

    with connect(host, port, insecure=True) as client:
        text = client.call(public.EXPORT_AUTHORITIES, public.ExportAuthorities(type="tls-host")).text
    found = [f"{_BEGIN}{part.partition(_END)[0]}{_END}\n" for part in text.split(_BEGIN)[1:]]
    x509.check_pins(found, pins)
    return found


def ping(client: SyncClient) -> public.Ping:
    return client.call(public.PING, Empty())
