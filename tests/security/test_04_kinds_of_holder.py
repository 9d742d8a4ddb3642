"""Rule 4: what certifies people does not certify hosts, and the reverse; no other authority certifies peers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import timedelta

import pytest
from authorities import NOW, Authority, alice, host
from cryptography import x509 as builders
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from teleport.credentials import peers, ssh_certificates, x509
from teleport.credentials.authorities import SshAuthority, TlsAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, NotAuthenticated

USER, HOST = Authority("user"), Authority("host")
TRUSTED = [USER.trusted, HOST.trusted]
KEY = PrivateKey.generate("ecdsa-p256").public


def handmade(
    ca: Authority,
    *attributes: tuple[builders.ObjectIdentifier, str],
    extensions: tuple[builders.ExtensionType, ...] = (),
) -> bytes:
    """What an authority would sign if it did not look."""
    usage = builders.KeyUsage(True, False, False, False, False, False, False, False, False)
    given: tuple[builders.ExtensionType, ...] = extensions or (
        builders.BasicConstraints(ca=False, path_length=None),
        usage,
        builders.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    )
    builder = (
        builders.CertificateBuilder()
        .subject_name(builders.Name([builders.NameAttribute(oid, value) for oid, value in attributes]))
        .issuer_name(x509.load(ca.tls.certificate).subject)
        .public_key(KEY.native)
        .serial_number(7)
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(hours=1))
    )
    for extension in given:
        builder = builder.add_extension(extension, critical=not isinstance(extension, builders.ExtendedKeyUsage))
    return x509.to_der(builder.sign(ca.tls.signer.native, hashes.SHA256()).public_bytes(Encoding.DER))


CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741
CLUSTER = builders.ObjectIdentifier("1.3.9999.1.7")
SYSTEM_ROLES = builders.ObjectIdentifier("1.3.9999.2.11")
ALICE = ((CN, "alice"), (O, "access"), (CLUSTER, "example"))


def refused(der: bytes) -> str:
    with pytest.raises(NotAuthenticated) as refusal:
        peers.verify_peer(der, TRUSTED, NOW)
    return refusal.value.message


def test_the_handmade_ones_are_refused_for_one_reason_only() -> None:
    assert peers.verify_peer(handmade(USER, *ALICE), TRUSTED, NOW).username == "alice"


def test_the_user_authority_never_makes_a_host() -> None:
    identity = peers.verify_peer(handmade(USER, (CN, "id.example"), (O, "Proxy"), (CLUSTER, "example")), TRUSTED, NOW)
    assert not identity.is_host
    assert identity.roles == ("Proxy",)  # a role of that name, if an administrator made one
    assert "neither system roles" in refused(handmade(USER, *ALICE, (SYSTEM_ROLES, "Auth")))


def test_the_host_authority_never_makes_a_person() -> None:
    assert refused(handmade(HOST, *ALICE))
    assert refused(handmade(HOST, (CN, "id.example"), (O, "editor"), (CLUSTER, "example")))
    assert refused(handmade(HOST, (CN, "id.example"), (O, "Node"), (O, "Auth"), (CLUSTER, "example")))
    assert refused(handmade(HOST, (CN, "id.elsewhere"), (O, "Node"), (CLUSTER, "example")))


@pytest.mark.parametrize("kind", ["db", "db_client", "openssh", "jwt", "saml_idp", "spiffe"])
def test_other_authorities_certify_no_peers(kind: str) -> None:
    other = Authority(kind)  # type: ignore[arg-type]
    trusted = [*TRUSTED, other.trusted]
    pretending = TlsAuthority(
        kind="user", cluster="example", certificate=other.tls.certificate, signer=other.tls.signer
    )
    der = x509.to_der(x509.issue_user(alice(), KEY, pretending, NOW))
    with pytest.raises(NotAuthenticated, match="no trusted user or host authority"):
        peers.verify_peer(der, trusted, NOW)
    line = ssh_certificates.issue_user(
        alice(), KEY, SshAuthority(kind="user", cluster="example", signer=other.ssh_key), NOW
    )
    with pytest.raises(NotAuthenticated, match="no trusted user authority"):
        ssh_certificates.verify_user(line, trusted, "root", NOW, "")


def test_without_name_roles_or_cluster_one_is_nobody() -> None:
    assert "user name" in refused(handmade(USER, (O, "access"), (CLUSTER, "example")))
    assert "no roles" in refused(handmade(USER, (CN, "alice"), (CLUSTER, "example")))
    assert "cluster" in refused(handmade(USER, (CN, "alice"), (O, "access")))


def test_nothing_is_said_twice() -> None:
    assert "2 times" in refused(handmade(USER, *ALICE, (CN, "root")))
    assert "2 times" in refused(handmade(USER, *ALICE, (CLUSTER, "elsewhere")))
    assert refused(handmade(USER, *ALICE, (NameOID.POSTAL_CODE, "{")))


def test_certificates_of_another_shape_are_refused() -> None:
    usage = builders.KeyUsage(True, False, False, False, False, False, False, False, False)
    client = builders.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    leaf = builders.BasicConstraints(ca=False, path_length=None)
    constraints = builders.NameConstraints(None, [builders.IPAddress(ipaddress.ip_network("10.0.0.0/8"))])
    for extensions in (
        (builders.BasicConstraints(ca=True, path_length=None), usage, client),
        (leaf, usage, builders.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        (leaf, usage, client, constraints),
        (leaf, client),
        (usage, client),
    ):
        assert refused(handmade(USER, *ALICE, extensions=extensions))
    assert refused(x509.to_der(USER.tls.certificate))


def test_nobody_below_an_authority_signs() -> None:
    holder = PrivateKey.generate("ecdsa-p256")
    own = x509.issue_user(alice(), holder.public, USER.tls, NOW)
    below = TlsAuthority(kind="user", cluster="example", certificate=own, signer=holder)
    assert "no trusted" in refused(x509.to_der(x509.issue_user(alice(), KEY, below, NOW)))
    mallory = PrivateKey.generate("ecdsa-p256")
    named_alike = TlsAuthority(kind="user", cluster="example", certificate=USER.tls.certificate, signer=mallory)
    assert "no trusted" in refused(x509.to_der(x509.issue_user(alice(), KEY, named_alike, NOW)))


def test_ssh_certificates_are_for_one_kind_of_holder() -> None:
    both_kinds = TrustedAuthority(
        kind="host", cluster="example", ssh_keys=(USER.ssh_key.public.ssh(), HOST.ssh_key.public.ssh())
    )
    person = ssh_certificates.issue_user(alice(), KEY, USER.ssh, NOW)
    machine = ssh_certificates.issue_host(host(), KEY, HOST.ssh, NOW, ["root"])
    with pytest.raises(NotAuthenticated, match="expected a host certificate"):
        ssh_certificates.verify_host(person, [both_kinds], ["root"], NOW)
    users = TrustedAuthority(kind="user", cluster="example", ssh_keys=both_kinds.ssh_keys)
    with pytest.raises(NotAuthenticated, match="expected a user certificate"):
        ssh_certificates.verify_user(machine, [users], "root", NOW, "")
    by_host_key = SshAuthority(kind="user", cluster="example", signer=HOST.ssh_key)
    line = ssh_certificates.issue_user(alice(), KEY, by_host_key, NOW)
    with pytest.raises(NotAuthenticated, match="no trusted user authority"):
        ssh_certificates.verify_user(line, TRUSTED, "root", NOW, "")


def test_issuing_keeps_them_apart_too() -> None:
    attempts: list[Callable[[], str]] = [
        lambda: x509.issue_user(host(), KEY, USER.tls, NOW),
        lambda: x509.issue_host(alice(), KEY, HOST.tls, NOW),
        lambda: ssh_certificates.issue_user(host(), KEY, USER.ssh, NOW),
        lambda: ssh_certificates.issue_host(alice(), KEY, HOST.ssh, NOW, ["root"]),
        lambda: x509.issue_user(alice(), KEY, HOST.tls, NOW),
        lambda: ssh_certificates.issue_host(host(), KEY, USER.ssh, NOW, ["web"]),
    ]
    for issue in attempts:
        with pytest.raises(BadParameter):
            issue()
