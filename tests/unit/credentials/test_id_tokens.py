"""ID tokens: every field that can be wrong, one at a time; key sets of strangers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from authorities import NOW
from hypothesis import given
from hypothesis import strategies as st

from teleport.credentials import jwt
from teleport.credentials.id_tokens import Expected, judge
from teleport.credentials.jwt import NamedKey
from teleport.credentials.key_sets import MAX_KEYS, read_key_set
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, NotAuthenticated

KEY, OTHER = PrivateKey.generate("rsa-2048"), PrivateKey.generate("rsa-2048")
KEYS = (NamedKey(KEY.public, jwt.key_id(KEY.public)),)
ISSUER, CLIENT, NONCE = "https://id.example.com", "teleport", "n-1"
EXPECTED = Expected(issuer=ISSUER, client_id=CLIENT, nonce=NONCE)
SECONDS = int(NOW.timestamp())
GOOD: dict[str, object] = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "42",
    "exp": SECONDS + 300,
    "iat": SECONDS,
    "nonce": NONCE,
    "email": "alice@example.com",
}


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read(claims: dict[str, object], expected: Expected = EXPECTED, key: PrivateKey = KEY) -> dict[str, object]:
    return judge(jwt.sign(claims, key), KEYS, expected, NOW)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"azp": CLIENT},
        {"exp": SECONDS - 59},
        {"iat": SECONDS + 59},
        {"nbf": SECONDS},
        {"exp": SECONDS + 300.5},
    ],
)
def test_a_token_for_this_login_is_good(more: dict[str, object]) -> None:
    assert read(GOOD | more)["email"] == "alice@example.com"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"iss": "https://evil.example.com"}, "issued by"),
        ({"iss": ISSUER + "/"}, "issued by"),
        ({"iss": None}, "issued by"),
        ({"iss": [ISSUER]}, "issued by"),
        ({"aud": "other"}, "meant for"),
        ({"aud": []}, "meant for"),
        ({"aud": {CLIENT: 1}}, "meant for"),
        ({"aud": [CLIENT, "other"]}, "several audiences"),
        ({"azp": "other"}, "issued to"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "issued to"),
        ({"sub": ""}, "sub"),
        ({"sub": 42}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"exp": SECONDS - 60}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": "9999999999"}, "exp"),
        ({"iat": SECONDS + 61}, "not valid yet"),
        ({"iat": None}, "iat"),
        ({"nbf": SECONDS + 61}, "not valid yet"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": [NONCE]}, "nonce"),
    ],
)
def test_one_wrong_field_is_enough(more: dict[str, object], why: str) -> None:
    with pytest.raises(NotAuthenticated, match=why):
        read(GOOD | more)


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "iat", "nonce"])
def test_a_missing_field_is_enough(missing: str) -> None:
    with pytest.raises(NotAuthenticated):
        read({name: value for name, value in GOOD.items() if name != missing})


def test_without_a_nonce_of_our_own_no_token_is_good() -> None:
    with pytest.raises(NotAuthenticated, match="nonce"):
        read(GOOD | {"nonce": ""}, Expected(issuer=ISSUER, client_id=CLIENT, nonce=""))


def test_how_and_when_the_provider_saw_the_user() -> None:
    strict = Expected(
        issuer=ISSUER, client_id=CLIENT, nonce=NONCE, acr_values=("mfa", "hw"), max_age=timedelta(minutes=5)
    )
    assert read(GOOD | {"acr": "hw", "auth_time": SECONDS - 300}, strict)
    with pytest.raises(NotAuthenticated, match="acr"):
        read(GOOD | {"acr": "password", "auth_time": SECONDS}, strict)
    with pytest.raises(NotAuthenticated, match="acr"):
        read(GOOD | {"auth_time": SECONDS}, strict)
    with pytest.raises(NotAuthenticated, match="longer than"):
        read(GOOD | {"acr": "hw", "auth_time": SECONDS - 361}, strict)
    with pytest.raises(NotAuthenticated, match="auth_time"):
        read(GOOD | {"acr": "hw"}, strict)


def test_another_key_signs_nothing_even_under_the_same_name() -> None:
    with pytest.raises(NotAuthenticated, match="no trusted key"):
        read(GOOD, key=OTHER)
    with pytest.raises(NotAuthenticated, match="no trusted key"):
        judge(jwt.sign(GOOD, OTHER), (NamedKey(KEY.public),), EXPECTED, NOW)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "HS384", "HS512", "RS1", "PS256", ""])
def test_no_other_algorithm_than_the_key_s(algorithm: str) -> None:
    signed = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(GOOD)}"
    signatures = [
        b"",
        hmac.digest(KEY.public.pem.encode(), signed.encode(), hashlib.sha256),
        hmac.digest(KEY.public.der, signed.encode(), hashlib.sha256),
        KEY.sign(signed.encode()),
    ]
    for signature in signatures:
        with pytest.raises(NotAuthenticated, match="token refused"):
            judge(f"{signed}.{encoded(signature)}", KEYS, EXPECTED, NOW)


def test_a_token_of_another_type_is_no_id_token() -> None:
    signed = f"{encoded({'alg': 'RS256', 'typ': 'at+jwt'})}.{encoded(GOOD)}"
    with pytest.raises(NotAuthenticated, match="at\\+jwt"):
        judge(f"{signed}.{encoded(KEY.sign(signed.encode()))}", KEYS, EXPECTED, NOW)


@given(st.data())
def test_a_changed_character_is_seen(data: st.DataObject) -> None:
    token = jwt.sign(GOOD, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab01-_.=").filter(lambda one: one != token[place]))
    with pytest.raises(NotAuthenticated):
        judge(token[:place] + other + token[place + 1 :], KEYS, EXPECTED, NOW)


@given(st.text() | st.binary().map(lambda raw: f"{encoded({'alg': 'RS256'})}.{encoded(raw)}.{encoded(raw)}"))
def test_anything_else_is_refused_and_never_breaks(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        judge(token, KEYS, EXPECTED, NOW)


def test_a_key_set_is_read_back() -> None:
    keys = [PrivateKey.generate(kind).public for kind in ("rsa-2048", "ecdsa-p256", "ed25519")]
    assert [named.key for named in read_key_set(jwt.key_set(keys))] == keys


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": encoded(b"secret"), "alg": "HS256"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "HS256"},
        {"alg": "PS256"},
        {"kty": "EC", "crv": "P-384"},
        {"n": "!"},
        {"n": encoded(b"\x03")},
        {"e": ""},
        {"kid": 7},
    ],
)
def test_keys_that_could_not_sign_are_left_out(entry: dict[str, object]) -> None:
    good = json.loads(jwt.key_set([KEY.public]))["keys"][0]
    both = json.dumps({"keys": [good | entry, good | {"kid": "good"}]}).encode()
    assert [named.name for named in read_key_set(both)] == ["good"]
    with pytest.raises(BadParameter, match="no RSA"):
        read_key_set(json.dumps({"keys": [good | entry]}).encode())


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": 1}', b'{"keys": []}', b"\xff", b"[" * 100_000])
def test_what_is_no_key_set(document: bytes) -> None:
    with pytest.raises(BadParameter):
        read_key_set(document)


def test_a_key_set_is_bounded() -> None:
    with pytest.raises(BadParameter, match="at most"):
        read_key_set(json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode())
