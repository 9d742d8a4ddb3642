"""Boxes that only the holder of a key can close and open: AES-256-GCM, bound to a purpose.

A box sealed for one purpose does not open for another, so what is minted for one place is worthless elsewhere.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from teleport.foundation.errors import BadParameter, NotAuthenticated

KEY_BYTES = 32
_NONCE_BYTES, _TAG_BYTES = 12, 16
_VERSION = b"\x01"


def new_key() -> bytes:
    """32 random bytes: a secret."""
    return secrets.token_bytes(KEY_BYTES)


class Box:
    """Seals and opens with one key."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise BadParameter(f"sealing key of {len(key)} bytes: expected {KEY_BYTES}")
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """One version byte, the nonce, the ciphertext and its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION + purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises NotAuthenticated if it was not sealed with this key for this purpose."""
        body = sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(body) < _TAG_BYTES:
            raise NotAuthenticated("sealed text: unknown form")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], body, _VERSION + purpose.encode())
        except InvalidTag:
            raise NotAuthenticated("sealed text: wrong key, wrong purpose, or changed") from None

    def __repr__(self) -> str:
        return "Box()"
