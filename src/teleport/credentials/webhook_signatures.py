"""Signatures of webhooks, both ways: HMAC-SHA256 over id, time and body, so that neither can be moved or replayed.

Form: `v1=<hex>`. Several, separated by commas, are allowed while a secret is being changed.
"""

from __future__ import annotations

import hashlib
import hmac

from teleport.foundation.errors import BadParameter

MIN_SECRET = 32
_MAX_SIGNATURES = 5


def check_secret(secret: str) -> None:
    """Raises BadParameter for one that could be guessed."""
    if len(secret) < MIN_SECRET:
        raise BadParameter(f"the webhook's secret has {len(secret)} characters, at least {MIN_SECRET} are needed")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def is_signed(secret: str, message_id: str, timestamp: int, body: bytes, signatures: str) -> bool:
    """In constant time for each signature."""
    wanted = sign(secret, message_id, timestamp, body).encode()
    given = signatures.split(",")[:_MAX_SIGNATURES]
    return any(hmac.compare_digest(wanted, one.strip().encode(errors="surrogatepass")) for one in given)
