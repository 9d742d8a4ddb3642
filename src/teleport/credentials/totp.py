"""One-time codes by time (RFC 6238): 6 digits, 30 seconds, one step of patience either way, each accepted once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

import segno

from teleport.foundation.errors import BadParameter

DIGITS = 6
PERIOD = 30
_PATIENCE = (0, -1, 1)
_SECRET_BYTES = 20
_ALGORITHMS = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


def new_secret() -> str:
    """160 random bits in base32: to be kept as a secret and shown once."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def code_at(
    secret: str, when: datetime, *, algorithm: str = "SHA1", digits: int = DIGITS, period: int = PERIOD
) -> str:
    """The code that an authenticator shows at `when`. Raises BadParameter for a secret that is no base32."""
    return _code(secret, int(when.timestamp()) // period, algorithm, digits)


def accept(
    secret: str,
    code: str,
    now: datetime,
    last_step: int = 0,
    *,
    algorithm: str = "SHA1",
    digits: int = DIGITS,
    period: int = PERIOD,
) -> int | None:
    """The time step whose code this is, if that is later than `last_step`; else None.

    It is accepted once: store the step as the last one, by compare-and-swap, before letting anyone in.
    """
    step = int(now.timestamp()) // period
    accepted = None
    for candidate in (step + shift for shift in _PATIENCE):
        # every candidate is compared, so that time tells nothing
        is_equal = hmac.compare_digest(_code(secret, candidate, algorithm, digits).encode(), code.strip().encode())
        if is_equal and candidate > last_step and accepted is None:
            accepted = candidate
    return accepted


def otpauth_uri(secret: str, issuer: str, account: str) -> str:
    """What authenticator applications read from a QR code. It holds the secret: never log it."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    query = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD}
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"


def qr_svg(uri: str) -> str:
    """The QR code of `uri` as an SVG picture, made in memory alone."""
    out = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(out, kind="svg", scale=5, border=4, xmldecl=False, light="#ffffff")
    return out.getvalue().decode()


def _code(secret: str, step: int, algorithm: str, digits: int) -> str:
    digest = hmac.digest(_key(secret), step.to_bytes(8, "big"), _ALGORITHMS[algorithm])
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def _key(secret: str) -> bytes:
    text = secret.replace(" ", "").upper()
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise BadParameter("TOTP secret: expected base32") from None
