from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from authorities import NOW

from teleport.credentials import jwt
from teleport.credentials.keys import KeyKind, PrivateKey, PublicKey
from teleport.foundation.errors import NotAuthenticated, Unsupported

KEYS = {kind: PrivateKey.generate(kind) for kind in ("ecdsa-p256", "ed25519", "rsa-2048")}
KEY = KEYS["ecdsa-p256"]
ISSUER, AUDIENCE = "example", "https://app.example.com"


class Claims(msgspec.Struct):
    sub: str
    roles: list[str] = []


def claims(**more: object) -> dict[str, object]:
    seconds = int(NOW.timestamp())
    return {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "alice",
        "roles": ["access"],
        "iat": seconds,
        "nbf": seconds,
        "exp": seconds + 600,
    } | more


def verify(token: str, *keys: PublicKey, audience: str = AUDIENCE) -> Claims:
    return jwt.verify(token, keys or (KEY.public,), Claims, audience=audience, issuer=ISSUER, now=NOW)


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("ecdsa-p256", "ES256"), ("ed25519", "EdDSA"), ("rsa-2048", "RS256")]
)
def test_what_a_key_signed_is_read_with_that_key(kind: KeyKind, algorithm: str) -> None:
    token = jwt.sign(claims(), KEYS[kind])
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header["alg"] == algorithm
    assert header["kid"] == jwt.key_id(KEYS[kind].public)
    assert verify(token, *(key.public for key in KEYS.values())) == Claims("alice", ["access"])
    others = [key.public for name, key in KEYS.items() if name != kind]
    with pytest.raises(NotAuthenticated, match="no trusted key"):
        verify(token, *others)


def test_a_thumbprint_as_the_standard_computes_it() -> None:
    # RFC 8037, appendix A.3
    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    der = bytes.fromhex("302a300506032b6570032100") + raw
    pem = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    assert jwt.key_id(PublicKey.from_pem(pem)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_key_set_names_every_key() -> None:
    entries = json.loads(jwt.key_set([key.public for key in KEYS.values()]))["keys"]
    assert [entry["alg"] for entry in entries] == ["ES256", "EdDSA", "RS256"]
    assert {entry["kid"] for entry in entries} == {jwt.key_id(key.public) for key in KEYS.values()}
    assert all(entry["use"] == "sig" and "d" not in entry for entry in entries)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iss": "elsewhere"}, "issued by"),
        ({"aud": "other"}, "meant for"),
        ({"aud": []}, "meant for"),
        ({"exp": int((NOW - timedelta(minutes=2)).timestamp())}, "expired"),
        ({"nbf": int((NOW + timedelta(minutes=2)).timestamp())}, "not valid yet"),
        ({"iat": int((NOW + timedelta(minutes=2)).timestamp())}, "not valid yet"),
        ({"exp": "tomorrow"}, "Expected"),
        ({"sub": 7}, "Expected"),
    ],
)
def test_a_token_counts_for_its_place_and_time_only(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NotAuthenticated, match=message):
        verify(jwt.sign(claims(**change), KEY))


@pytest.mark.parametrize("name", ["exp", "iss", "aud"])
def test_a_token_without_the_claims_that_bind_it_is_refused(name: str) -> None:
    said = claims()
    del said[name]
    with pytest.raises(NotAuthenticated, match=name):
        verify(jwt.sign(said, KEY))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 100_000, "é.é.é", "e30.e30.", "bnVsbA.e30.e30"])
def test_rubbish_is_no_token(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        verify(token)


def test_other_curves_do_not_sign_tokens() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    with pytest.raises(Unsupported, match="p384"):
        jwt.sign(claims(), PrivateKey(ec.generate_private_key(ec.SECP384R1())))
