"""Rule 5, on this floor: what a certificate grants belongs to the key it certifies, whatever was seen before."""

from __future__ import annotations

import msgspec
from authorities import NOW, Authority, alice

from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PrivateKey

USER = Authority("user")
A, B = PrivateKey.generate("ed25519"), PrivateKey.generate("ed25519")
ROOT = ssh_certificates.issue_user(alice(), A.public, USER.ssh, NOW)
GUEST = ssh_certificates.issue_user(
    msgspec.structs.replace(alice(), username="guest", roles=("guest",)), B.public, USER.ssh, NOW
)


def test_offering_one_and_proving_another_grants_what_was_proved() -> None:
    for line, name in ((ROOT, "alice"), (GUEST, "guest"), (ROOT, "alice"), (GUEST, "guest")):
        assert ssh_certificates.verify_user(line, [USER.trusted], "root", NOW, "").username == name


def test_a_certificate_names_the_one_key_that_can_prove_it() -> None:
    exchange = b"what both sides of this connection agreed on"
    assert ssh_certificates.read_user(ROOT).key.verify(A.sign(exchange), exchange)
    assert not ssh_certificates.read_user(ROOT).key.verify(B.sign(exchange), exchange)
    assert not ssh_certificates.read_user(ROOT).key.verify(b"", exchange)
