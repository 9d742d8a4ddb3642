from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from authorities import HOUR, NOW, Authority, alice, host

from teleport.credentials import internal_names, peers, x509
from teleport.credentials.authorities import TlsAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated
from teleport.model.identity import Identity

KEY = PrivateKey.generate("ecdsa-p256").public


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519", "rsa-2048"])
def test_openssl_accepts_what_an_authority_of_any_kind_signs(kind: str, tmp_path: Path) -> None:
    ca = x509.create_authority("user", "example", PrivateKey.generate(kind), NOW)  # type: ignore[arg-type]
    (tmp_path / "ca").write_text(ca.certificate)
    (tmp_path / "cert").write_text(x509.issue_user(alice(), KEY, ca, NOW))
    at = str(int(NOW.timestamp()))
    openssl(
        "verify",
        "-x509_strict",
        "-attime",
        at,
        "-purpose",
        "sslclient",
        "-CAfile",
        tmp_path / "ca",
        tmp_path / "cert",
    )
    text = openssl("x509", "-in", tmp_path / "cert", "-noout", "-text")
    assert "CN = alice, O = access, O = editor" in text
    assert "L = root, L = alice" in text


def test_a_chain_builder_tells_the_authorities_of_a_cluster_apart(
    user_ca: Authority, host_ca: Authority, tmp_path: Path
) -> None:
    (tmp_path / "cas").write_text(host_ca.tls.certificate + user_ca.tls.certificate)
    (tmp_path / "cert").write_text(x509.issue_user(alice(), KEY, user_ca.tls, NOW))
    at = str(int(NOW.timestamp()))
    openssl("verify", "-attime", at, "-CAfile", tmp_path / "cas", tmp_path / "cert")
    assert "CN = example, O = example" in openssl("x509", "-in", tmp_path / "cas", "-noout", "-subject")


def test_people_and_hosts_read_back_as_they_were(user_ca: Authority, host_ca: Authority) -> None:
    person = x509.issue_user(alice(), KEY, user_ca.tls, NOW)
    assert x509.read_identity(person, "user") == alice()
    assert x509.public_key(person) == KEY
    machine = x509.issue_host(host("Proxy"), KEY, host_ca.tls, NOW, ["edge", "10.0.0.7", "::1"])
    assert x509.read_identity(x509.to_der(machine), "host") == host("Proxy")


def test_certificates_begin_a_minute_ago_and_end_with_the_identity(user_ca: Authority) -> None:
    certificate = x509.issue_user(alice(), KEY, user_ca.tls, NOW)
    assert x509.begins(certificate) == NOW - timedelta(minutes=1)
    assert x509.expires(certificate) == NOW + HOUR


def test_no_certificate_outlives_its_authority(host_ca: Authority) -> None:
    endless = Identity(
        username="id.example",
        host_id="id",
        cluster="example",
        expires=NOW + timedelta(days=99999),
        system_role="Node",
    )
    end = x509.expires(x509.issue_host(endless, KEY, host_ca.tls, NOW))
    assert end == x509.expires(host_ca.tls.certificate)
    assert end - NOW > timedelta(days=3650)


def test_long_names_are_kept_whole(user_ca: Authority) -> None:
    name = "ä" * 40 + "@a-very-long-domain-of-an-identity-provider.example.com"
    identity = Identity(username=name, cluster="c" * 90, expires=NOW + HOUR, roles=("access",))
    ca = x509.create_authority("user", "c" * 90, PrivateKey.generate("ecdsa-p256"), NOW)
    assert x509.read_identity(x509.issue_user(identity, KEY, ca, NOW), "user") == identity


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": ""}, "needs a user name"),
        ({"cluster": ""}, "authority"),
        ({"roles": ()}, "has no roles"),
        ({"roles": ("",)}, "empty or unprintable"),
        ({"username": "a\nb"}, "empty or unprintable"),
        ({"logins": ("ro\x00ot",)}, "empty or unprintable"),
        ({"expires": NOW}, "would have ended"),
        ({"system_roles": ("Node",)}, "neither system roles"),
        ({"cluster": "elsewhere"}, "does not sign"),
    ],
)
def test_what_no_certificate_may_say_is_not_issued(
    user_ca: Authority, change: dict[str, object], message: str
) -> None:
    given = {name: getattr(alice(), name) for name in alice().__struct_fields__} | change
    with pytest.raises(BadParameter, match=message):
        x509.issue_user(Identity(**given), KEY, user_ca.tls, NOW)


def test_an_identity_too_large_for_a_certificate_is_refused(user_ca: Authority) -> None:
    many = tuple(f"role-{number:06}-of-many" for number in range(4000))
    with pytest.raises(LimitExceeded, match="too many roles"):
        x509.issue_user(
            Identity(username="a", cluster="example", expires=NOW + HOUR, roles=many), KEY, user_ca.tls, NOW
        )


def test_hosts_are_named_by_id_names_and_addresses(host_ca: Authority, tmp_path: Path) -> None:
    identity = host("Proxy")
    (tmp_path / "cert").write_text(x509.issue_host(identity, KEY, host_ca.tls, NOW, ["edge.example.com", "10.0.0.7"]))
    text = openssl("x509", "-in", tmp_path / "cert", "-noout", "-ext", "subjectAltName,extendedKeyUsage")
    for name in (identity.host_id, f"{identity.host_id}.example", "proxy.teleport.cluster.local", "edge.example.com"):
        assert f"DNS:{name}" in text
    assert "IP Address:10.0.0.7" in text
    assert "Client Authentication" in text
    assert "Server Authentication" in text


@pytest.mark.parametrize("name", ["", "with space", "ünicode", "a\tb", "x" * 254])
def test_what_is_no_host_name_gets_no_certificate(host_ca: Authority, name: str) -> None:
    with pytest.raises(BadParameter, match="neither a host name"):
        x509.issue_host(host(), KEY, host_ca.tls, NOW, [name])


@pytest.mark.parametrize("cluster", ["example", "a.b.example.com", "x" * 80, "클러스터"])
def test_internal_names_lead_back_to_the_cluster_and_fit_dns(cluster: str) -> None:
    name = internal_names.auth_name(cluster)
    assert internal_names.cluster_of(name) == cluster
    assert name.encode("idna") == name.encode()
    assert internal_names.cluster_of("proxy.teleport.cluster.local") is None
    assert internal_names.cluster_of("example.com") is None


def test_pins_are_the_hash_of_the_public_key(host_ca: Authority, user_ca: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca").write_text(host_ca.tls.certificate)
    (tmp_path / "key").write_text(openssl("x509", "-in", tmp_path / "ca", "-noout", "-pubkey"))
    openssl("pkey", "-pubin", "-in", tmp_path / "key", "-outform", "DER", "-out", tmp_path / "der")
    digest = openssl("dgst", "-sha256", "-r", tmp_path / "der").split()[0]
    pin = x509.ca_pin(host_ca.tls.certificate)
    assert pin == f"sha256:{digest}"
    x509.check_pins([host_ca.tls.certificate], ["sha256:00", pin.upper()])
    for offered in ([user_ca.tls.certificate], [host_ca.tls.certificate, user_ca.tls.certificate], []):
        with pytest.raises(NotAuthenticated, match="does not match the CA pin"):
            x509.check_pins(offered, [pin])


def test_the_authority_of_another_sort_does_not_sign(user_ca: Authority, host_ca: Authority) -> None:
    with pytest.raises(BadParameter, match="user authority"):
        x509.issue_user(host(), KEY, user_ca.tls, NOW)
    with pytest.raises(BadParameter, match="host authority"):
        x509.issue_host(alice(), KEY, host_ca.tls, NOW)
    with pytest.raises(BadParameter, match="does not sign"):
        x509.issue_user(alice(), KEY, host_ca.tls, NOW)


def test_a_known_peer_is_read_with_its_cluster(user_ca: Authority, host_ca: Authority) -> None:
    both = [host_ca.trusted, user_ca.trusted]
    person = x509.to_der(x509.issue_user(alice(), KEY, user_ca.tls, NOW))
    machine = x509.to_der(x509.issue_host(host("Auth"), KEY, host_ca.tls, NOW))
    assert peers.verify_peer(person, both, NOW) == alice()
    assert peers.verify_peer(machine, both, NOW) == host("Auth")
    assert peers.verify_host(machine, both, NOW, cluster="example", roles=["Auth", "Proxy"]).is_host


def test_during_rotation_the_old_and_the_new_authority_are_trusted(user_ca: Authority) -> None:
    new = Authority("user")
    trusted = type(user_ca.trusted)(
        kind="user", cluster="example", tls_certificates=(new.tls.certificate, user_ca.tls.certificate)
    )
    for ca in (user_ca, new):
        assert peers.verify_peer(x509.to_der(x509.issue_user(alice(), KEY, ca.tls, NOW)), [trusted], NOW) == alice()


@pytest.mark.parametrize("when", [NOW + HOUR, NOW + 2 * HOUR, NOW - timedelta(minutes=2)])
def test_a_certificate_counts_only_in_its_time(user_ca: Authority, when: object) -> None:
    der = x509.to_der(x509.issue_user(alice(), KEY, user_ca.tls, NOW))
    with pytest.raises(NotAuthenticated, match=r"it expired|it begins"):
        peers.verify_peer(der, [user_ca.trusted], when)  # type: ignore[arg-type]


def test_an_expired_authority_speaks_for_nobody(user_ca: Authority) -> None:
    old = x509.create_authority("user", "example", user_ca.tls.signer, NOW - timedelta(days=3652))
    renewed = TlsAuthority(kind="user", cluster="example", certificate=old.certificate, signer=user_ca.tls.signer)
    trusted = type(user_ca.trusted)(kind="user", cluster="example", tls_certificates=(old.certificate,))
    with pytest.raises(BadParameter, match="would have ended"):
        x509.issue_user(alice(), KEY, renewed, NOW)
    der = x509.to_der(x509.issue_user(alice(), KEY, renewed, NOW - HOUR))
    with pytest.raises(NotAuthenticated, match="it expired"):
        peers.verify_peer(der, [trusted], NOW)


def test_rubbish_is_no_peer(user_ca: Authority) -> None:
    for rubbish in (b"", b"\x30\x03\x02\x01\x00", b"-----BEGIN CERTIFICATE-----", b"x" * 1_000_000):
        with pytest.raises(NotAuthenticated):
            peers.verify_peer(rubbish, [user_ca.trusted], NOW)
