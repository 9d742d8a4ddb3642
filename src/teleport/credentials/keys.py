"""Key pairs and their text forms: PKCS#8 and SubjectPublicKeyInfo in PEM, OpenSSH lines and files, fingerprints.

A private key never shows itself: its repr is its fingerprint. Keys that live in hardware are a Signer too.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from teleport.foundation.errors import BadParameter

KeyKind = Literal["ecdsa-p256", "ed25519", "rsa-2048"]
NativePublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
NativePrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

_MALFORMED = (ValueError, TypeError, IndexError, NotImplementedError, UnsupportedAlgorithm)
_MAX_TEXT = 64 * 1024
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192


class Signer(Protocol):
    """Signs for a key pair, wherever the private half lives.

    `native` is what certificate builders sign with; a key in hardware gives a subclass of
    `ec.EllipticCurvePrivateKey` whose `sign` asks the token.
    """

    @property
    def public(self) -> PublicKey: ...

    @property
    def native(self) -> NativePrivateKey: ...

    def sign(self, message: bytes) -> bytes: ...


class PublicKey:
    """The public half. Two are equal when they are the same key, whatever text they came from."""

    __slots__ = ("_der", "native")

    def __init__(self, native: NativePublicKey) -> None:
        if isinstance(native, rsa.RSAPublicKey) and not _MIN_RSA_BITS <= native.key_size <= _MAX_RSA_BITS:
            raise BadParameter(f"RSA key of {native.key_size} bits: expected {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
        self.native = native
        self._der = native.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def from_pem(cls, text: str | bytes) -> PublicKey:
        """Reads SubjectPublicKeyInfo in PEM. Raises BadParameter."""
        try:
            return cls(_known_public(serialization.load_pem_public_key(_bounded(text))))
        except _MALFORMED as problem:
            raise BadParameter("public key: expected PEM of an ECDSA, Ed25519 or RSA key") from problem

    @classmethod
    def from_ssh(cls, text: str | bytes) -> PublicKey:
        """Reads a line as in authorized_keys (`ssh-ed25519 AAAA… comment`); a certificate is refused."""
        try:
            # load_ssh_public_key would take a certificate's key for the key itself
            return cls(_known_public(serialization.load_ssh_public_identity(_bounded(text).strip())))
        except _MALFORMED as problem:
            raise BadParameter("public key: expected an OpenSSH line of an ECDSA, Ed25519 or RSA key") from problem

    @classmethod
    def from_text(cls, text: str | bytes) -> PublicKey:
        """Reads either form, told apart by the PEM dashes."""
        return cls.from_pem(text) if _bounded(text).lstrip().startswith(b"-----") else cls.from_ssh(text)

    @property
    def kind(self) -> str:
        """`ed25519`, `ecdsa-p256` (p384, p521) or `rsa-<bits>`."""
        match self.native:
            case ed25519.Ed25519PublicKey():
                return "ed25519"
            case ec.EllipticCurvePublicKey():
                return f"ecdsa-p{self.native.curve.key_size}"
            case _:
                return f"rsa-{self.native.key_size}"

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        return self._der

    @property
    def pem(self) -> str:
        return self.native.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def ssh(self, comment: str = "") -> str:
        """One line without line end, as in authorized_keys."""
        line = self.native.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
        return f"{line} {comment}" if comment else line

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as ssh-keygen prints it."""
        return ssh_fingerprint(self.ssh())

    def verify(self, signature: bytes, message: bytes) -> bool:
        """True if the private half signed `message` with `PrivateKey.sign`."""
        try:
            match self.native:
                case ed25519.Ed25519PublicKey():
                    self.native.verify(signature, message)
                case ec.EllipticCurvePublicKey():
                    self.native.verify(signature, message, ec.ECDSA(_curve_hash(self.native.curve)))
                case _:
                    self.native.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other._der == self._der

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        return f"PublicKey({self.kind} {self.fingerprint})"


class PrivateKey:
    """A private key in the memory of this process. A Signer."""

    __slots__ = ("_native", "_public")

    def __init__(self, native: NativePrivateKey) -> None:
        self._native = native
        self._public = PublicKey(native.public_key())

    @classmethod
    def generate(cls, kind: KeyKind) -> PrivateKey:
        """At once for elliptic curves; RSA takes tens of milliseconds: call `generate` of this module instead."""
        match kind:
            case "ecdsa-p256":
                return cls(ec.generate_private_key(ec.SECP256R1()))
            case "ed25519":
                return cls(ed25519.Ed25519PrivateKey.generate())
            case "rsa-2048":
                return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def from_pem(cls, text: str | bytes) -> PrivateKey:
        """Reads PKCS#8, SEC 1, PKCS#1 or OpenSSH PEM without pass phrase. Raises BadParameter."""
        raw = _bounded(text)
        try:
            if b"OPENSSH PRIVATE KEY" in raw[:64]:
                return cls(_known_private(serialization.load_ssh_private_key(raw, None)))
            return cls(_known_private(serialization.load_pem_private_key(raw, None)))
        except _MALFORMED:
            # the cause may quote the text, which is a secret
            raise BadParameter("private key: expected unencrypted PEM of an ECDSA, Ed25519 or RSA key") from None

    @property
    def public(self) -> PublicKey:
        return self._public

    @property
    def native(self) -> NativePrivateKey:
        return self._native

    def sign(self, message: bytes) -> bytes:
        """Ed25519; ECDSA in DER over the curve's hash; RSA PKCS#1 v1.5 over SHA-256."""
        return sign_natively(self._native, message)

    def pem(self) -> str:
        """PKCS#8, not encrypted: a secret."""
        return self._native.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def ssh_pem(self) -> str:
        """The file that OpenSSH programs read, not encrypted: a secret."""
        return self._native.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()

    def __repr__(self) -> str:
        return f"PrivateKey({self._public.kind} {self._public.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")


async def generate(kind: KeyKind) -> PrivateKey:
    """A fresh key pair; the slow kind is made in a thread."""
    if kind == "rsa-2048":
        return await asyncio.to_thread(PrivateKey.generate, kind)
    return PrivateKey.generate(kind)


def sign_natively(native: NativePrivateKey, message: bytes) -> bytes:
    """What `PrivateKey.sign` does, for any native key."""
    match native:
        case ed25519.Ed25519PrivateKey():
            return native.sign(message)
        case ec.EllipticCurvePrivateKey():
            return native.sign(message, ec.ECDSA(_curve_hash(native.curve)))
        case _:
            return native.sign(message, padding.PKCS1v15(), hashes.SHA256())


def ssh_fingerprint(line: str) -> str:
    """`SHA256:…` of an OpenSSH key or certificate line. Raises BadParameter."""
    try:
        blob = base64.b64decode(line.split()[1], validate=True)
    except (IndexError, ValueError) as problem:
        raise BadParameter("public key: expected an OpenSSH line") from problem
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _known_public(native: object) -> NativePublicKey:
    if isinstance(native, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        return native
    raise BadParameter(f"keys of type {type(native).__name__} are not accepted; use ECDSA, Ed25519 or RSA")


def _known_private(native: object) -> NativePrivateKey:
    if isinstance(native, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        return native
    raise BadParameter(f"keys of type {type(native).__name__} are not accepted; use ECDSA, Ed25519 or RSA")


def _curve_hash(curve: ec.EllipticCurve) -> hashes.HashAlgorithm:
    match curve.key_size:
        case 256:
            return hashes.SHA256()
        case 384:
            return hashes.SHA384()
        case _:
            return hashes.SHA512()


def _bounded(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > _MAX_TEXT:
        raise BadParameter(f"key of {len(raw)} bytes is too long")
    return raw
