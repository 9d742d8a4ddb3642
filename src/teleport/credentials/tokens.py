"""Random names and secrets, from the operating system's generator alone; nothing here can be seeded."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid

TOKEN_BYTES = 16


def random_token(size: int = TOKEN_BYTES) -> str:
    """`size` random bytes in hex: join tokens, invitations, session ids."""
    return secrets.token_hex(size)


def new_uuid() -> str:
    """A random UUID (version 4)."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def equal(one: str, other: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


def digest(token: str) -> str:
    """What a store may keep, or use as a name, of a token of 16 random bytes or more: one way, the same each time.

    Not for passwords and codes that people type: they are guessed (see `passwords`, `recovery`).
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
