"""JSON web tokens (RFC 7519) signed with ES256, EdDSA or RS256, and the key sets to check them (RFC 7517).

The algorithm follows from the key, never from the token: nothing unsigned, no symmetric algorithm, exists here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from teleport.credentials.keys import PublicKey, Signer
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unsupported

T = TypeVar("T")

LEEWAY = timedelta(minutes=1)
_MAX_TOKEN = 64 * 1024
_P256_BYTES = 32


class _Header(msgspec.Struct):
    alg: str
    kid: str = ""
    typ: str = "JWT"
    crit: list[str] = []


class _Registered(msgspec.Struct):
    """What every token must say."""

    iss: str
    aud: str | list[str]
    exp: int
    nbf: int = 0
    iat: int = 0


def sign(claims: msgspec.Struct | Mapping[str, object], signer: Signer) -> str:
    """A compact token whose `kid` is the key's thumbprint. Verifying demands `iss`, `aud` and `exp`."""
    header = _Header(alg=algorithm_of(signer.public), kid=key_id(signer.public))
    signed = f"{_text(msgspec.json.encode(header))}.{_text(msgspec.json.encode(claims))}"
    signature = signer.sign(signed.encode())
    if isinstance(signer.public.native, ec.EllipticCurvePublicKey):
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")
    return f"{signed}.{_text(signature)}"


def verify(token: str, keys: Sequence[PublicKey], claims: type[T], *, audience: str, issuer: str, now: datetime) -> T:
    """The claims of a token that one of `keys` signed for `audience`, as the struct `claims`.

    `keys` are the issuer's own. Raises NotAuthenticated.
    """
    try:
        signed, header, body, signature = _parts(token)
        named = [NamedKey(key, key_id(key)) for key in keys]
        _check_signature(signed.encode(), header, signature, named)
        registered = msgspec.json.decode(body, type=_Registered)
        _check_registered(registered, audience, issuer, now)
        return msgspec.json.decode(body, type=claims)
    except (msgspec.DecodeError, RecursionError, BadParameter, Unsupported, ValueError) as problem:
        raise NotAuthenticated(f"token refused: {problem}") from problem


class NamedKey(msgspec.Struct, frozen=True):
    """A key of an issuer that names its keys as it likes; without a name it may have signed any token."""

    key: PublicKey
    name: str = ""


def read_signed(token: str, keys: Sequence[NamedKey], *, kinds: Sequence[str] = ("JWT",)) -> bytes:
    """The JSON of a token that one of `keys` signed and whose `typ` is none or one of `kinds`.

    Nothing that it says has been judged. Raises NotAuthenticated.
    """
    try:
        signed, header, body, signature = _parts(token)
        if header.typ.lower() not in {kind.lower() for kind in kinds}:
            raise BadParameter(f"it is of type {header.typ!r}")
        _check_signature(signed.encode(), header, signature, keys)
    except (msgspec.DecodeError, RecursionError, BadParameter, Unsupported, ValueError) as problem:
        raise NotAuthenticated(f"token refused: {problem}") from problem
    return body


def key_id(key: PublicKey) -> str:
    """The key's thumbprint (RFC 7638)."""
    required = {name: value for name, value in _members(key).items() if name in ("crv", "e", "kty", "n", "x", "y")}
    return _text(hashlib.sha256(msgspec.json.encode(required, order="sorted")).digest())


def key_set(keys: Sequence[PublicKey]) -> bytes:
    """The document that verifiers fetch (`/.well-known/jwks.json`)."""
    entries = [{**_members(key), "kid": key_id(key), "use": "sig", "alg": algorithm_of(key)} for key in keys]
    return msgspec.json.encode({"keys": entries})


def _parts(token: str) -> tuple[str, _Header, bytes, bytes]:
    if len(token) > _MAX_TOKEN:
        raise BadParameter(f"token of {len(token)} characters is too long")
    parts = token.split(".")
    if len(parts) != 3:
        raise BadParameter("expected three parts")
    header = msgspec.json.decode(_bytes(parts[0]), type=_Header)
    if header.crit:
        raise BadParameter(f"critical header {header.crit[0]!r} is not understood")
    return f"{parts[0]}.{parts[1]}", header, _bytes(parts[1]), _bytes(parts[2])


def _check_signature(signed: bytes, header: _Header, signature: bytes, keys: Sequence[NamedKey]) -> None:
    for named in keys:
        if header.kid and named.name and header.kid != named.name:
            continue
        if header.alg == algorithm_of(named.key) and _is_signed(named.key, signature, signed):
            return
    raise BadParameter("no trusted key signed it")


def _is_signed(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    if isinstance(key.native, ec.EllipticCurvePublicKey):
        if len(signature) != 2 * _P256_BYTES:
            return False
        r, s = int.from_bytes(signature[:_P256_BYTES], "big"), int.from_bytes(signature[_P256_BYTES:], "big")
        signature = encode_dss_signature(r, s)
    return key.verify(signature, signed)


def _check_registered(registered: _Registered, audience: str, issuer: str, now: datetime) -> None:
    audiences = [registered.aud] if isinstance(registered.aud, str) else registered.aud
    if registered.iss != issuer:
        raise BadParameter(f"issued by {registered.iss!r}, expected {issuer!r}")
    if audience not in audiences:
        raise BadParameter(f"meant for {', '.join(audiences)!r}, not for {audience!r}")
    seconds, leeway = now.timestamp(), LEEWAY.total_seconds()
    if seconds >= registered.exp + leeway:
        raise BadParameter("expired")
    if seconds < max(registered.nbf, registered.iat) - leeway:
        raise BadParameter("not valid yet; check the clocks")


def key_name_of(token: str) -> str:
    """The name of the key that a token says it was signed with; empty when it says none or is no token."""
    try:
        return _parts(token)[1].kid
    except (msgspec.DecodeError, RecursionError, BadParameter, ValueError):
        return ""


def algorithm_of(key: PublicKey) -> str:
    """The one algorithm that a key signs with. Raises Unsupported."""
    match key.native:
        case ed25519.Ed25519PublicKey():
            return "EdDSA"
        case ec.EllipticCurvePublicKey() if key.native.curve.key_size == 256:
            return "ES256"
        case rsa.RSAPublicKey():
            return "RS256"
        case _:
            raise Unsupported(f"tokens are not signed with {key.kind} keys")


def _members(key: PublicKey) -> dict[str, str]:
    match key.native:
        case ed25519.Ed25519PublicKey():
            return {"kty": "OKP", "crv": "Ed25519", "x": _text(key.native.public_bytes_raw())}
        case ec.EllipticCurvePublicKey() if key.native.curve.key_size == 256:
            point = key.native.public_numbers()
            x, y = (_text(number.to_bytes(_P256_BYTES, "big")) for number in (point.x, point.y))
            return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        case rsa.RSAPublicKey():
            numbers = key.native.public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        case _:
            raise Unsupported(f"tokens are not signed with {key.kind} keys")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as problem:
        raise BadParameter("a part is no base64url") from problem
    if _text(raw) != text:
        raise BadParameter("a part is no canonical base64url")
    return raw
