"""Rule 47: nothing internal counts without a signature of the right key and algorithm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import msgspec
import pytest
from authorities import NOW

from teleport.credentials import jwt
from teleport.credentials.keys import PrivateKey
from teleport.credentials.sealing import Box, new_key
from teleport.foundation.errors import NotAuthenticated

KEYS = [PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519"), PrivateKey.generate("rsa-2048")]
PUBLIC = [key.public for key in KEYS]
SAID = {"iss": "example", "aud": "app", "sub": "alice", "exp": int(NOW.timestamp()) + 600}


class Claims(msgspec.Struct):
    sub: str


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(said: object) -> str:
    return text(json.dumps(said).encode())


def verify(token: str) -> Claims:
    return jwt.verify(token, PUBLIC, Claims, audience="app", issuer="example", now=NOW)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "ES256", "EdDSA", "RS256"])
def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    with pytest.raises(NotAuthenticated):
        verify(f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(SAID)}.")


@pytest.mark.parametrize("key", PUBLIC, ids=lambda key: str(key.kind))
@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "EdDSA", "RS256"])
def test_a_public_key_is_no_shared_secret(key: object, algorithm: str) -> None:
    public = next(known for known in PUBLIC if known is key)
    signed = f"{part({'alg': algorithm, 'kid': jwt.key_id(public)})}.{part(SAID)}"
    for secret in (public.pem.encode(), public.der, public.ssh().encode()):
        signature = hmac.digest(secret, signed.encode(), hashlib.sha256)
        with pytest.raises(NotAuthenticated, match="no trusted key"):
            verify(f"{signed}.{text(signature)}")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.public.kind))
def test_changed_claims_are_noticed(key: PrivateKey) -> None:
    head, _, signature = jwt.sign(SAID, key).split(".")
    assert verify(jwt.sign(SAID, key)).sub == "alice"
    with pytest.raises(NotAuthenticated, match="no trusted key"):
        verify(f"{head}.{part(SAID | {'sub': 'root'})}.{signature}")
    with pytest.raises(NotAuthenticated, match="no trusted key"):
        verify(jwt.sign(SAID, PrivateKey.generate(key.public.kind)))  # type: ignore[arg-type]


def test_the_algorithm_of_another_key_does_not_help() -> None:
    for key in KEYS:
        for algorithm in ("ES256", "EdDSA", "RS256"):
            head = {"alg": algorithm, "kid": jwt.key_id(key.public)}
            signed = f"{part(head)}.{part(SAID)}"
            token = f"{signed}.{text(key.sign(signed.encode()))}"
            if algorithm == {"ed25519": "EdDSA", "rsa-2048": "RS256"}.get(key.public.kind):
                assert verify(token).sub == "alice"
            else:  # ES256 signatures are of another form than the key's own
                with pytest.raises(NotAuthenticated, match="no trusted key"):
                    verify(token)


def test_an_empty_ecdsa_signature_is_no_signature() -> None:
    head = {"alg": "ES256", "kid": jwt.key_id(PUBLIC[0])}
    for signature in (bytes(64), b"", bytes(63), bytes(128)):
        with pytest.raises(NotAuthenticated):
            verify(f"{part(head)}.{part(SAID)}.{text(signature)}")


def test_a_critical_header_is_not_passed_over() -> None:
    head = {"alg": "EdDSA", "kid": jwt.key_id(PUBLIC[1]), "crit": ["b64"], "b64": False}
    signed = f"{part(head)}.{part(SAID)}"
    with pytest.raises(NotAuthenticated, match="critical header"):
        verify(f"{signed}.{text(KEYS[1].sign(signed.encode()))}")


def test_a_sealed_text_is_authenticated_to_its_last_bit() -> None:
    box = Box(new_key())
    sealed = box.seal(b"alice", "session")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(NotAuthenticated):
            box.open(bytes(changed), "session")
