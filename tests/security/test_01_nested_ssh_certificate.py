"""Rule 1: a certificate whose signing key is itself a certificate speaks for nobody."""

from __future__ import annotations

import base64

import pytest
from authorities import NOW, Authority, alice, host

from teleport.credentials import ssh_certificates
from teleport.credentials.authorities import SshAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.foundation.errors import BadParameter, NotAuthenticated

USER, HOST = Authority("user"), Authority("host")
MALLORY = PrivateKey.generate("ed25519")


def field(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def take(blob: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + size], blob[4 + size :]


def nested(line: str, inner: str) -> str:
    """`line` with its signature key replaced by the certificate `inner`, signed anew by Mallory's key."""
    kind, text = line.split()[:2]
    blob = base64.b64decode(text)
    rest = blob
    for _ in range(3):  # type, nonce, key
        _, rest = take(rest)
    rest = rest[12:]  # serial, kind of holder
    for _ in range(2):  # key id, principals
        _, rest = take(rest)
    rest = rest[16:]  # period
    for _ in range(3):  # critical options, extensions, reserved
        _, rest = take(rest)
    signed = blob[: len(blob) - len(rest)] + field(base64.b64decode(inner.split()[1]))
    signature = field(b"ssh-ed25519") + field(MALLORY.sign(signed))
    return f"{kind} {base64.b64encode(signed + field(signature)).decode()}"


def forged_by(ca: Authority) -> SshAuthority:
    return SshAuthority(kind=ca.kind, cluster=ca.cluster, signer=MALLORY)


def test_a_person_certified_by_a_certificate_is_refused() -> None:
    own = ssh_certificates.issue_user(alice(), MALLORY.public, USER.ssh, NOW)
    chained = ssh_certificates.issue_user(alice(), PrivateKey.generate("ed25519").public, forged_by(USER), NOW)
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_user(nested(chained, own), [USER.trusted], "root", NOW, "")


def test_a_host_certified_by_a_certificate_is_refused() -> None:
    own = ssh_certificates.issue_host(host(), MALLORY.public, HOST.ssh, NOW, ["web-1"])
    chained = ssh_certificates.issue_host(
        host(), PrivateKey.generate("ed25519").public, forged_by(HOST), NOW, ["web-1"]
    )
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_host(nested(chained, own), [HOST.trusted], ["web-1"], NOW)


def test_a_holders_own_key_is_no_authority() -> None:
    chained = ssh_certificates.issue_user(alice(), PrivateKey.generate("ed25519").public, forged_by(USER), NOW)
    with pytest.raises(NotAuthenticated, match="no trusted user authority"):
        ssh_certificates.verify_user(chained, [USER.trusted], "root", NOW, "")


def test_a_certificate_is_never_taken_for_a_plain_key() -> None:
    own = ssh_certificates.issue_user(alice(), MALLORY.public, USER.ssh, NOW)
    with pytest.raises(BadParameter):
        PublicKey.from_ssh(own)
    chained = ssh_certificates.issue_user(alice(), PrivateKey.generate("ed25519").public, forged_by(USER), NOW)
    trusting = TrustedAuthority(kind="user", cluster="example", ssh_keys=(own,))
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_user(chained, [trusting], "root", NOW, "")
