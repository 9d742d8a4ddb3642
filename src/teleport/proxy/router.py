"""Which gateway serves a connection: one numbered table, read from the top; the first row that matches decides."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from teleport.wire.client_hello import ClientHello
from teleport.wire.opening import Opening, Plain
from teleport.wire.proxy_protocol import ProxyHeader
from teleport.wire.tls_names import ALPN_AUTH_PREFIX, ALPN_DIAL, ALPN_TUNNEL, ALPN_TUNNEL_DATA, CLUSTER_SUFFIX

_KUBERNETES_SNI = "kube-teleport-proxy-alpn."
_KNOWN_UNBUILT = (
    "teleport-proxy-ssh",
    "teleport-proxy-grpc",
    "teleport-reversetunnelv2",
    "teleport-postgres",
    "teleport-mysql",
    "teleport-mongodb",
    "teleport-oracle",
    "teleport-redis",
    "teleport-sqlserver",
    "teleport-snowflake",
    "teleport-cassandra",
    "teleport-elasticsearch",
    "teleport-opensearch",
    "teleport-dynamodb",
    "teleport-clickhouse",
    "teleport-spanner",
    "teleport-tcp",
    "teleport-peer",
    "teleport-quic-peer",
    "acme-tls/1",
)
_WEB_PROTOCOLS = ("h2", "http/1.1")


class Gateway(Enum):
    """Where a connection goes."""

    PROXY_HEADER = "proxy_header"  # read it, then look again
    DIAL = "dial"
    TUNNEL = "tunnel"
    TUNNEL_DATA = "tunnel_data"
    AUTH = "auth"
    WEB = "web"
    PLAIN_HTTP = "plain_http"  # told to use https
    UNBUILT = "unbuilt"  # known by name, not served: closed and logged
    CLOSE = "close"


class Row(NamedTuple):
    number: int
    gateway: Gateway
    matches: Callable[[Opening], bool]


def _offers(protocol: str) -> Callable[[Opening], bool]:
    return lambda opening: isinstance(opening, ClientHello) and protocol in opening.alpn


def _is_for_auth(opening: Opening) -> bool:
    if not isinstance(opening, ClientHello):
        return False
    if any(protocol.startswith(ALPN_AUTH_PREFIX) for protocol in opening.alpn):
        return True
    cluster = opening.server_name.removesuffix(CLUSTER_SUFFIX)
    return cluster != opening.server_name and _is_hexadecimal(cluster.replace(".", ""))


def _is_hexadecimal(text: str) -> bool:
    return bool(text) and len(text) % 2 == 0 and all(character in "0123456789abcdef" for character in text)


def _is_unbuilt(opening: Opening) -> bool:
    if isinstance(opening, Plain):
        return opening.protocol in ("ssh", "postgres")
    if not isinstance(opening, ClientHello):
        return False
    if opening.server_name.startswith(_KUBERNETES_SNI):
        return True
    return bool(opening.alpn) and unbuilt_name(opening) != ""


def _is_web(opening: Opening) -> bool:
    return isinstance(opening, ClientHello) and (
        not opening.alpn or any(protocol in _WEB_PROTOCOLS for protocol in opening.alpn)
    )


TABLE: tuple[Row, ...] = (
    Row(1, Gateway.PROXY_HEADER, lambda opening: isinstance(opening, ProxyHeader)),
    Row(2, Gateway.DIAL, _offers(ALPN_DIAL)),
    Row(3, Gateway.TUNNEL, _offers(ALPN_TUNNEL)),
    Row(4, Gateway.TUNNEL_DATA, _offers(ALPN_TUNNEL_DATA)),
    Row(5, Gateway.AUTH, _is_for_auth),
    Row(6, Gateway.UNBUILT, _is_unbuilt),
    Row(7, Gateway.WEB, _is_web),
    Row(8, Gateway.PLAIN_HTTP, lambda opening: opening == Plain("http")),
    Row(9, Gateway.CLOSE, lambda _: True),
)


def route(opening: Opening) -> Gateway:
    return next(row.gateway for row in TABLE if row.matches(opening))


def unbuilt_name(opening: Opening) -> str:
    """What a connection to Gateway.UNBUILT wanted, for the log: one of our own words, never the stranger's."""
    if isinstance(opening, Plain):
        return opening.protocol
    if isinstance(opening, ClientHello):
        if opening.server_name.startswith(_KUBERNETES_SNI):
            return "kubernetes"
        for protocol in opening.alpn:
            for known in _KNOWN_UNBUILT:
                if protocol == known or protocol.startswith((f"{known}-", f"{known}/")):
                    return known
    return ""
