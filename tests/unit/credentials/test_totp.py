from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from authorities import NOW
from hypothesis import given
from hypothesis import strategies as st

from teleport.credentials import totp
from teleport.foundation.errors import BadParameter

# RFC 6238, appendix B: the seed is the digits 1234567890 repeated to the hash's length
SEEDS = {"SHA1": 20, "SHA256": 32, "SHA512": 64}
VECTORS = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]


@pytest.mark.parametrize(("seconds", "sha1", "sha256", "sha512"), VECTORS)
def test_the_published_vectors(seconds: int, sha1: str, sha256: str, sha512: str) -> None:
    when = datetime.fromtimestamp(seconds, UTC)
    for algorithm, code in {"SHA1": sha1, "SHA256": sha256, "SHA512": sha512}.items():
        secret = base64.b32encode((b"1234567890" * 7)[: SEEDS[algorithm]]).decode()
        assert totp.code_at(secret, when, algorithm=algorithm, digits=8) == code


def test_a_code_is_good_for_its_step_and_one_either_way() -> None:
    secret = totp.new_secret()
    step = int(NOW.timestamp()) // 30
    for shift, accepted in {-2: None, -1: step - 1, 0: step, 1: step + 1, 2: None}.items():
        code = totp.code_at(secret, NOW + timedelta(seconds=30 * shift))
        assert totp.accept(secret, code, NOW) == accepted, shift


def test_a_code_is_accepted_once_and_none_before_it_after() -> None:
    secret = totp.new_secret()
    code, earlier = totp.code_at(secret, NOW), totp.code_at(secret, NOW - timedelta(seconds=30))
    step = totp.accept(secret, code, NOW)
    assert step is not None
    assert totp.accept(secret, code, NOW, step) is None
    assert totp.accept(secret, earlier, NOW, step) is None
    assert totp.accept(secret, totp.code_at(secret, NOW + timedelta(seconds=30)), NOW, step) == step + 1


@given(st.text(max_size=12))
def test_nothing_else_is_a_code(text: str) -> None:
    secret = "JBSWY3DPEHPK3PXP"
    if text.strip() not in {totp.code_at(secret, NOW + timedelta(seconds=shift)) for shift in (-30, 0, 30)}:
        assert totp.accept(secret, text, NOW) is None


def test_people_type_spaces() -> None:
    secret = totp.new_secret()
    spaced = " ".join([secret[:4], secret[4:].lower()])
    assert totp.accept(spaced, f" {totp.code_at(secret, NOW)}\n", NOW)


def test_a_broken_secret_is_not_quoted() -> None:
    with pytest.raises(BadParameter) as refused:
        totp.code_at("no/base32!", NOW)
    assert "no/base32" not in str(refused.value)


def test_secrets_are_long_and_different() -> None:
    made = {totp.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(base64.b32decode(secret)) == 20 for secret in made)


def test_the_uri_says_what_authenticators_read() -> None:
    uri = urlsplit(totp.otpauth_uri("JBSWY3DPEHPK3PXP", "my cluster", "alice@example.com"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/my cluster:alice@example.com"
    assert parse_qs(uri.query) == {
        "secret": ["JBSWY3DPEHPK3PXP"],
        "issuer": ["my cluster"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_the_qr_code_is_one_picture_without_script() -> None:
    picture = totp.qr_svg(totp.otpauth_uri(totp.new_secret(), "c", "alice"))
    root = ElementTree.fromstring(picture)
    assert root.tag.endswith("svg")
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "g", "path"}
