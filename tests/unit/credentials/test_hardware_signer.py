"""A key that never leaves its token signs every kind of certificate: what a hardware key store will give."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from authorities import NOW, Authority, alice
from cryptography.hazmat.primitives.asymmetric import ec

from teleport.credentials import jwt, keys, peers, ssh_certificates, x509
from teleport.credentials.authorities import SshAuthority, TrustedAuthority
from teleport.credentials.keys import NativePrivateKey, PrivateKey, PublicKey, Signer

KEY = PrivateKey.generate("ecdsa-p256").public


class TokenKey(ec.EllipticCurvePrivateKey):
    """Stands for a token: it answers questions and signs, and gives nothing away."""

    def __init__(self) -> None:
        self._inside = ec.generate_private_key(ec.SECP256R1())
        self.signatures = 0

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        self.signatures += 1
        return self._inside.sign(data, signature_algorithm)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._inside.public_key()

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._inside.curve

    @property
    def key_size(self) -> int:
        return self._inside.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise NotImplementedError

    def private_bytes(self, *_: Any) -> bytes:
        raise NotImplementedError

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, _: dict[Any, Any]) -> TokenKey:
        return self


class TokenSigner:
    """A Signer over it."""

    def __init__(self) -> None:
        self.token = TokenKey()

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.token.public_key())

    @property
    def native(self) -> NativePrivateKey:
        return self.token

    def sign(self, message: bytes) -> bytes:
        return keys.sign_natively(self.token, message)


def test_a_token_is_an_authority(tmp_path: Path) -> None:
    signer = TokenSigner()
    as_signer: Signer = signer
    ca = x509.create_authority("user", "example", as_signer, NOW)
    trusted = TrustedAuthority(
        kind="user", cluster="example", tls_certificates=(ca.certificate,), ssh_keys=(signer.public.ssh(),)
    )
    pem = x509.issue_user(alice(), KEY, ca, NOW)
    assert peers.verify_peer(x509.to_der(pem), [trusted], NOW) == alice()
    line = ssh_certificates.issue_user(alice(), KEY, SshAuthority(kind="user", cluster="example", signer=signer), NOW)
    assert ssh_certificates.verify_user(line, [trusted], "root", NOW, "") == alice()
    (tmp_path / "id-cert.pub").write_text(line)
    assert subprocess.run(["ssh-keygen", "-L", "-f", tmp_path / "id-cert.pub"], check=False).returncode == 0
    said = {"iss": "example", "aud": "app", "sub": "alice", "exp": int(NOW.timestamp()) + 60}
    token = jwt.sign(said, signer)
    read = jwt.verify(token, [signer.public], dict[str, object], audience="app", issuer="example", now=NOW)
    assert read["sub"] == "alice"
    assert signer.token.signatures == 4


def test_a_software_key_is_a_signer_too() -> None:
    signer: Signer = Authority("user").ssh_key
    assert signer.public.verify(signer.sign(b"x"), b"x")
