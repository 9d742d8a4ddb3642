"""The routing table, row by row."""

from __future__ import annotations

import pytest

from teleport.proxy.router import TABLE, Gateway, route, unbuilt_name
from teleport.wire.client_hello import ClientHello
from teleport.wire.opening import Opening, Plain
from teleport.wire.proxy_protocol import ProxyHeader
from teleport.wire.tls_names import auth_alpn, auth_server_name


def tls(*alpn: str, name: str = "") -> ClientHello:
    return ClientHello(name, alpn)


@pytest.mark.parametrize(
    ("opening", "gateway"),
    [
        (ProxyHeader(1, 20), Gateway.PROXY_HEADER),
        (tls("teleport-dial"), Gateway.DIAL),
        (tls("teleport-dial", "http/1.1"), Gateway.DIAL),
        (tls("teleport-reversetunnel"), Gateway.TUNNEL),
        (tls("teleport-reversetunnel-data"), Gateway.TUNNEL_DATA),
        (tls(auth_alpn("example")), Gateway.AUTH),
        (tls(auth_alpn("a" * 60)), Gateway.AUTH),
        (tls(name=auth_server_name("example")), Gateway.AUTH),
        (tls("http/1.1", name=auth_server_name("a-cluster-with-a-very-long-name.example.com")), Gateway.AUTH),
        (tls("http/1.1", name="proxy.teleport.cluster.local"), Gateway.WEB),
        (tls("http/1.1", name=".teleport.cluster.local"), Gateway.WEB),
        (tls(), Gateway.WEB),
        (tls("http/1.1"), Gateway.WEB),
        (tls("h2", "http/1.1"), Gateway.WEB),
        (tls("h2"), Gateway.WEB),
        (tls("h2", name="kube-teleport-proxy-alpn.example.com"), Gateway.UNBUILT),
        (tls("teleport-proxy-ssh"), Gateway.UNBUILT),
        (tls("teleport-postgres-ping", "teleport-postgres"), Gateway.UNBUILT),
        (tls("teleport-mysql-OC4wLjI4"), Gateway.UNBUILT),
        (tls("acme-tls/1"), Gateway.UNBUILT),
        (Plain("ssh"), Gateway.UNBUILT),
        (Plain("postgres"), Gateway.UNBUILT),
        (Plain("http"), Gateway.PLAIN_HTTP),
        (Plain("unknown"), Gateway.CLOSE),
        (tls("teleport-dial2"), Gateway.CLOSE),
        (tls("spdy/3"), Gateway.CLOSE),
    ],
)
def test_route(opening: Opening, gateway: Gateway) -> None:
    assert route(opening) is gateway


def test_rows_are_numbered_in_order_and_every_opening_has_one() -> None:
    assert [row.number for row in TABLE] == list(range(1, len(TABLE) + 1))
    assert TABLE[-1].matches(Plain("unknown"))


def test_the_name_for_the_log_is_one_of_ours() -> None:
    assert unbuilt_name(tls("teleport-mysql-\nforged")) == "teleport-mysql"
    assert unbuilt_name(Plain("ssh")) == "ssh"
    assert unbuilt_name(tls(name="kube-teleport-proxy-alpn.x")) == "kubernetes"
    assert unbuilt_name(tls("spdy/3")) == ""
