"""Rule 2: an authority speaks for its own cluster, whatever its certificates say."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from authorities import NOW, Authority, alice, host

from teleport.credentials import peers, ssh_certificates, x509
from teleport.credentials.authorities import AuthorityKind, SshAuthority, TlsAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, NotAuthenticated

OURS = Authority("user"), Authority("host")
KEY = PrivateKey.generate("ecdsa-p256").public


class Foreign:
    """The authority of `elsewhere`, which issues certificates that name `example`."""

    def __init__(self, kind: AuthorityKind) -> None:
        self.honest = Authority(kind, cluster="elsewhere")
        self.tls = TlsAuthority(
            kind=kind, cluster="example", certificate=self.honest.tls.certificate, signer=self.honest.tls.signer
        )
        self.ssh = SshAuthority(kind=kind, cluster="example", signer=self.honest.ssh_key)

    @property
    def trusted(self) -> TrustedAuthority:
        return self.honest.trusted


USERS, HOSTS = Foreign("user"), Foreign("host")
TRUSTED = [authority.trusted for authority in (*OURS, USERS, HOSTS)]


@pytest.mark.parametrize("cluster", ["elsewhere", "example"])
def test_tls_peers_belong_to_the_cluster_of_their_authority(cluster: str) -> None:
    person = msgspec.structs.replace(alice(), cluster=cluster)
    der = x509.to_der(x509.issue_user(person, KEY, USERS.honest.tls if cluster == "elsewhere" else USERS.tls, NOW))
    if cluster == "elsewhere":
        assert peers.verify_peer(der, TRUSTED, NOW).cluster == "elsewhere"
    else:
        with pytest.raises(NotAuthenticated, match="names cluster 'example' and is signed by 'elsewhere'"):
            peers.verify_peer(der, TRUSTED, NOW)


def test_a_foreign_host_is_not_ours() -> None:
    der = x509.to_der(x509.issue_host(host("Auth"), KEY, HOSTS.tls, NOW))
    with pytest.raises(NotAuthenticated, match="names cluster"):
        peers.verify_peer(der, TRUSTED, NOW)
    honest = x509.to_der(x509.issue_host(host("Auth", cluster="elsewhere"), KEY, HOSTS.honest.tls, NOW))
    assert peers.verify_peer(honest, TRUSTED, NOW).cluster == "elsewhere"
    with pytest.raises(NotAuthenticated, match="expected a host of cluster 'example'"):
        peers.verify_host(honest, TRUSTED, NOW, cluster="example", roles=["Auth"])


def test_ssh_certificates_belong_to_the_cluster_of_their_authority() -> None:
    person = ssh_certificates.issue_user(alice(), KEY, USERS.ssh, NOW)
    with pytest.raises(NotAuthenticated, match="names cluster"):
        ssh_certificates.verify_user(person, TRUSTED, "root", NOW, "")
    machine = ssh_certificates.issue_host(host(), KEY, HOSTS.ssh, NOW, ["web-1"])
    with pytest.raises(NotAuthenticated, match="names cluster"):
        ssh_certificates.verify_host(machine, TRUSTED, ["web-1"], NOW)


def test_our_authorities_do_not_sign_for_another_cluster() -> None:
    person = msgspec.structs.replace(alice(), cluster="elsewhere")
    attempts: list[Callable[[], str]] = [
        lambda: x509.issue_user(person, KEY, OURS[0].tls, NOW),
        lambda: ssh_certificates.issue_user(person, KEY, OURS[0].ssh, NOW),
        lambda: x509.issue_host(host(cluster="elsewhere"), KEY, OURS[1].tls, NOW),
        lambda: ssh_certificates.issue_host(host(cluster="elsewhere"), KEY, OURS[1].ssh, NOW, ["web"]),
    ]
    for issue in attempts:
        with pytest.raises(BadParameter, match="does not sign"):
            issue()
