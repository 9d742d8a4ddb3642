"""The names by which our own programs find each other inside TLS: ALPN protocols and server names.

Who presents the proxy's host certificate and who checks it must agree on them; they are kept on this page alone.
"""

from __future__ import annotations

ALPN_DIAL = "teleport-dial"
ALPN_TUNNEL = "teleport-reversetunnel"
ALPN_TUNNEL_DATA = "teleport-reversetunnel-data"
ALPN_HOST = "teleport-host"
"""A proxy that comes to a host at the port where it listens itself."""
ALPN_AUTH_PREFIX = "teleport-auth@"
ALPN_HTTP = "http/1.1"

CLUSTER_SUFFIX = ".teleport.cluster.local"
PROXY_SERVER_NAME = "proxy" + CLUSTER_SUFFIX

_LABEL = 62  # a DNS label holds 63 characters; hexadecimal digits come in pairs


def auth_server_name(cluster: str) -> str:
    """The name in the certificate of a cluster's auth servers, also the SNI that routes to them.

    The cluster's name in hexadecimal, in as many DNS labels as it needs.
    """
    text = cluster.encode().hex()
    return ".".join(text[start : start + _LABEL] for start in range(0, len(text), _LABEL)) + CLUSTER_SUFFIX


def auth_alpn(cluster: str) -> str:
    """The ALPN protocol with which a proxy passes a connection blindly to auth."""
    return ALPN_AUTH_PREFIX + auth_server_name(cluster)
