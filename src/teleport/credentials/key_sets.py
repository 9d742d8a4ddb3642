"""Key sets of other issuers (RFC 7517): the public keys that may have signed their tokens.

Only RSA, P-256 and Ed25519 keys for signatures are taken. What is symmetric, private, for encryption or of another
algorithm is left out, so that no token can be made with it.
"""

from __future__ import annotations

import base64
import binascii

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from teleport.credentials.jwt import NamedKey, algorithm_of
from teleport.credentials.keys import NativePublicKey, PublicKey
from teleport.foundation.errors import BadParameter, Unsupported

MAX_KEYS = 100
_MAX_NUMBER = 1100  # bytes of base64 decoded: RSA of 8192 bits


class _Key(msgspec.Struct):
    kty: str = ""
    use: str = ""
    key_ops: list[str] = []
    alg: str = ""
    kid: str = ""
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""


class _KeySet(msgspec.Struct):
    keys: list[msgspec.Raw]


def read_key_set(document: bytes) -> tuple[NamedKey, ...]:
    """The usable keys. Raises BadParameter for what is no key set, or has none."""
    try:
        entries = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadParameter(f"key set: {problem}") from None
    if len(entries) > MAX_KEYS:
        raise BadParameter(f"key set of {len(entries)} keys, at most {MAX_KEYS} are read")
    found = tuple(named for entry in entries if (named := _named(entry)) is not None)
    if not found:
        raise BadParameter("key set: it has no RSA, P-256 or Ed25519 key for signatures")
    return found


def _named(entry: msgspec.Raw) -> NamedKey | None:
    try:
        written = msgspec.json.decode(entry, type=_Key)
        if written.use not in ("", "sig") or (written.key_ops and "verify" not in written.key_ops):
            return None
        key = PublicKey(_native(written))
        return NamedKey(key, written.kid) if written.alg in ("", algorithm_of(key)) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadParameter, Unsupported, ValueError):
        return None


def _native(key: _Key) -> NativePublicKey:
    match key.kty, key.crv:
        case "RSA", "":
            return rsa.RSAPublicNumbers(_number(key.e), _number(key.n)).public_key()
        case "EC", "P-256":
            return ec.EllipticCurvePublicNumbers(_number(key.x), _number(key.y), ec.SECP256R1()).public_key()
        case "OKP", "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_octets(key.x))
        case _:
            raise Unsupported(f"keys of type {key.kty!r} are not used")


def _number(text: str) -> int:
    return int.from_bytes(_octets(text), "big")


def _octets(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as problem:
        raise BadParameter("a part of a key is no base64url") from problem
    if not 0 < len(raw) <= _MAX_NUMBER:
        raise BadParameter(f"a part of a key has {len(raw)} bytes")
    return raw
