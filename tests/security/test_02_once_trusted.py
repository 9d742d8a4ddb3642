"""Rule 2: a certificate that was good a moment ago is asked again whom it is from and until when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from authorities import NOW, Authority, alice

from teleport.credentials import peers, ssh_certificates, x509
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import NotAuthenticated

USER, OTHER = Authority("user"), Authority("user")
KEY = PrivateKey.generate("ecdsa-p256").public


def test_a_peer_whose_authority_is_gone_or_whose_time_is_up() -> None:
    der = x509.to_der(x509.issue_user(alice(), KEY, USER.tls, NOW))
    for _ in range(2):
        assert peers.verify_peer(der, [USER.trusted], NOW).username == "alice"
    for authorities, now in (([OTHER.trusted], NOW), ([], NOW), ([USER.trusted], NOW + timedelta(hours=2))):
        with pytest.raises(NotAuthenticated):
            peers.verify_peer(der, authorities, now)


def test_a_login_whose_authority_is_gone_or_whose_time_is_up() -> None:
    line = ssh_certificates.issue_user(alice(), KEY, USER.ssh, NOW)

    def verify(authorities: list[Authority], now: datetime = NOW) -> str:
        trusted = [one.trusted for one in authorities]
        return ssh_certificates.verify_user(line, trusted, "root", now, "127.0.0.1").username

    for _ in range(2):
        assert verify([USER]) == "alice"
    for authorities, now in (([OTHER], NOW), ([], NOW), ([USER], NOW + timedelta(hours=2))):
        with pytest.raises(NotAuthenticated):
            verify(authorities, now)


def test_a_changed_certificate_is_another() -> None:
    line = ssh_certificates.issue_user(alice(), KEY, USER.ssh, NOW)
    ssh_certificates.verify_user(line, [USER.trusted], "root", NOW, "127.0.0.1")
    twin = ssh_certificates.issue_user(alice(), KEY, OTHER.ssh, NOW)
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_user(twin, [USER.trusted], "root", NOW, "127.0.0.1")
