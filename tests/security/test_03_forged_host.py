"""Rule 3: no host passes for another, nor for the proxy or the auth service, to clients and agents that dial."""

from __future__ import annotations

import base64
import ssl

import pytest
from authorities import NOW, Authority, host

from teleport.credentials import internal_names, peers, ssh_certificates, x509
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, NotAuthenticated

HOST = Authority("host")
KEY = PrivateKey.generate("ecdsa-p256").public
ANOTHER = "11111111-2222-3333-4444-555555555555"
TAKEN = [
    internal_names.proxy_name(),
    internal_names.auth_name("example"),
    internal_names.proxy_name().upper(),
    "*.teleport.cluster.local",
    "anything.teleport.cluster.local.",
    ANOTHER,
    f"{ANOTHER}.example",
]


@pytest.mark.parametrize("name", TAKEN)
def test_a_node_gets_no_name_of_a_service_or_of_another_host(name: str) -> None:
    with pytest.raises(BadParameter):
        x509.issue_host(host("Node"), KEY, HOST.tls, NOW, [name])
    with pytest.raises(BadParameter):
        ssh_certificates.issue_host(host("Node"), KEY, HOST.ssh, NOW, [name])


def test_a_proxy_is_not_the_auth_service() -> None:
    with pytest.raises(BadParameter):
        x509.issue_host(host("Proxy"), KEY, HOST.tls, NOW, [internal_names.auth_name("example")])
    der = x509.to_der(x509.issue_host(host("Proxy"), KEY, HOST.tls, NOW))
    with pytest.raises(NotAuthenticated, match="expected a host with role Auth, found Proxy"):
        peers.verify_host(der, [HOST.trusted], NOW, cluster="example", roles=["Auth"])


def test_a_host_of_an_unknown_authority_is_nobody() -> None:
    forger = Authority("host")
    der = x509.to_der(x509.issue_host(host("Proxy"), KEY, forger.tls, NOW))
    with pytest.raises(NotAuthenticated, match="no trusted"):
        peers.verify_host(der, [HOST.trusted], NOW, cluster="example", roles=["Proxy"])
    line = ssh_certificates.issue_host(host(), KEY, forger.ssh, NOW, ["web-1"])
    with pytest.raises(NotAuthenticated, match="no trusted"):
        ssh_certificates.verify_host(line, [HOST.trusted], ["web-1"], NOW)


def test_a_changed_byte_is_noticed() -> None:
    pem = x509.issue_host(host("Proxy"), KEY, HOST.tls, NOW)
    der = bytearray(ssl.PEM_cert_to_DER_cert(pem))
    position = der.index(b"Proxy")
    der[position : position + 5] = b"Admin"
    with pytest.raises(NotAuthenticated, match="no trusted"):
        peers.verify_peer(bytes(der), [HOST.trusted], NOW)


def test_a_changed_byte_of_an_ssh_certificate_is_noticed() -> None:
    kind, text = ssh_certificates.issue_host(host(), KEY, HOST.ssh, NOW, ["web-1"]).split()
    changed = base64.b64decode(text).replace(b"web-1", b"web-2")
    with pytest.raises(NotAuthenticated, match="signature is wrong"):
        ssh_certificates.verify_host(f"{kind} {base64.b64encode(changed).decode()}", [HOST.trusted], ["web-2"], NOW)
