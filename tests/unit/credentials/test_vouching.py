"""What a proxy says of a client's address is believed from proxies of the cluster, for a minute, as they said it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from authorities import NOW, Authority, alice, host
from hypothesis import given
from hypothesis import strategies as st

from teleport.credentials import x509
from teleport.credentials.keys import PrivateKey
from teleport.credentials.vouching import Voucher, vouched_client
from teleport.foundation.errors import BadParameter, NotAuthenticated
from teleport.wire import proxy_protocol
from teleport.wire.errors import Incomplete, RemoteProtocolError
from teleport.wire.proxy_protocol import ProxyHeader

CLIENT, SERVER = ("203.0.113.7", 40000), ("192.0.2.1", 3080)
HOSTS, OTHERS = Authority("host"), Authority("host", cluster="elsewhere")
USERS = Authority("user")
TRUSTED = (HOSTS.trusted, USERS.trusted)
KEY = PrivateKey.generate("ecdsa-p256")


def voucher(role: str = "Proxy", authority: Authority = HOSTS, cluster: str = "example") -> Voucher:
    certificate = x509.issue_host(host(role, authority.cluster), KEY.public, authority.tls, NOW, ("proxy",))
    return Voucher(cluster, certificate, KEY.pem())


def parsed(data: bytes) -> ProxyHeader:
    header = proxy_protocol.parse(data)
    assert isinstance(header, ProxyHeader)
    return header


def vouched(data: bytes, at: timedelta = timedelta()) -> tuple[str, int]:
    return vouched_client(parsed(data), TRUSTED, NOW + at, cluster="example")


@pytest.mark.parametrize(
    ("client", "server"),
    [(CLIENT, SERVER), (("2001:db8::7", 1), ("::1", 2)), (CLIENT, ("::1", 2)), (("2001:db8::7", 1), SERVER)],
)
def test_a_proxy_is_believed(client: tuple[str, int], server: tuple[str, int]) -> None:
    assert vouched(voucher().header(client, server, NOW)) == client


@pytest.mark.parametrize("role", ["Node", "Auth", "Admin"])
def test_no_other_host_is_believed(role: str) -> None:
    with pytest.raises(NotAuthenticated):
        vouched(voucher(role).header(CLIENT, SERVER, NOW))


def test_no_person_is_believed() -> None:
    certificate = x509.issue_user(alice(), KEY.public, USERS.tls, NOW)
    with pytest.raises(NotAuthenticated):
        vouched(Voucher("example", certificate, KEY.pem()).header(CLIENT, SERVER, NOW))


def test_a_proxy_of_another_cluster_is_not_believed() -> None:
    for cluster in ("example", "elsewhere"):
        with pytest.raises(NotAuthenticated):
            vouched(voucher(authority=OTHERS, cluster=cluster).header(CLIENT, SERVER, NOW))


def test_a_header_meant_for_another_cluster_is_not_believed() -> None:
    with pytest.raises(NotAuthenticated):
        vouched(voucher(cluster="elsewhere").header(CLIENT, SERVER, NOW))


def test_a_header_without_a_voucher_is_not_believed() -> None:
    for data in (proxy_protocol.encode_v1(CLIENT, SERVER), proxy_protocol.encode_v2(CLIENT, SERVER)):
        with pytest.raises(NotAuthenticated):
            vouched(data)


@pytest.mark.parametrize("late", [61, -61])
def test_a_header_is_good_for_a_minute(late: int) -> None:
    data = voucher().header(CLIENT, SERVER, NOW)
    vouched(data, timedelta(seconds=late - late // abs(late)))
    with pytest.raises(NotAuthenticated):
        vouched(data, timedelta(seconds=late))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.data())
def test_a_changed_header_is_not_believed(data: st.DataObject) -> None:
    header = bytearray(WHOLE)
    at = data.draw(st.integers(16, len(header) - 1))
    header[at] ^= data.draw(st.integers(1, 255))
    try:
        found = proxy_protocol.parse(bytes(header))
    except RemoteProtocolError:
        return
    if isinstance(found, Incomplete | None):
        return
    with pytest.raises((NotAuthenticated, BadParameter)):
        vouched_client(found, TRUSTED, NOW, cluster="example")


WHOLE = voucher().header(CLIENT, SERVER, NOW)
