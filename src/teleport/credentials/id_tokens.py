"""Judging the ID token of an OpenID provider (OpenID Connect Core, 3.1.3.7): who signed it, for whom and when.

The signature comes first and its algorithm follows from the provider's key. Only then is read what the token says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from teleport.credentials.jwt import LEEWAY, NamedKey, read_signed
from teleport.credentials.tokens import equal
from teleport.foundation.errors import NotAuthenticated

MAX_SUBJECT = 255
Claims = dict[str, object]


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What the login that asked for the token wants it to say. Empty `acr_values`: any; no `max_age`: any age."""

    issuer: str
    client_id: str
    nonce: str
    acr_values: tuple[str, ...] = ()
    max_age: timedelta | None = None


def judge(token: str, keys: Sequence[NamedKey], expected: Expected, now: datetime) -> Claims:
    """All claims of a token that is good for this login. Raises NotAuthenticated with what is wrong."""
    body = read_signed(token, keys)
    try:
        claims = msgspec.json.decode(body, type=Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise NotAuthenticated(f"ID token: {problem}") from None
    _check_parties(claims, expected)
    _check_times(claims, expected, now.timestamp())
    nonce = claims.get("nonce")
    if not expected.nonce or not isinstance(nonce, str) or not equal(nonce, expected.nonce):
        raise NotAuthenticated("ID token: its nonce is not that of this login")
    if expected.acr_values and claims.get("acr") not in expected.acr_values:
        wanted = " or ".join(expected.acr_values)
        raise NotAuthenticated(f"ID token: acr is {_shown(claims.get('acr'))}, expected {wanted}")
    return claims


def subject_of(claims: Mapping[str, object]) -> str:
    """Whom the provider means, for ever. Raises NotAuthenticated."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise NotAuthenticated("ID token: sub is missing or no text")
    return subject


def _check_parties(claims: Claims, expected: Expected) -> None:
    subject_of(claims)
    if claims.get("iss") != expected.issuer:
        raise NotAuthenticated(f"ID token: issued by {_shown(claims.get('iss'))}, expected {expected.issuer!r}")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise NotAuthenticated(f"ID token: meant for {_shown(audience)}, expected {expected.client_id!r}")
    party = claims.get("azp")
    if party is None and len(audiences) > 1:
        raise NotAuthenticated("ID token: it has several audiences and does not say for which it was issued (azp)")
    if party is not None and party != expected.client_id:
        raise NotAuthenticated(f"ID token: issued to {_shown(party)} (azp), expected {expected.client_id!r}")


def _check_times(claims: Claims, expected: Expected, now: float) -> None:
    leeway = LEEWAY.total_seconds()
    if now >= _moment(claims, "exp") + leeway:
        raise NotAuthenticated("ID token: expired")
    begin = max(_moment(claims, "iat"), _moment(claims, "nbf") if "nbf" in claims else 0.0)
    if now < begin - leeway:
        raise NotAuthenticated("ID token: not valid yet; check the clocks")
    if (
        expected.max_age is not None
        and now - _moment(claims, "auth_time") > expected.max_age.total_seconds() + leeway
    ):
        raise NotAuthenticated(f"ID token: the provider saw the user longer than {expected.max_age} ago")


def _moment(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAuthenticated(f"ID token: {name} is missing or no number")
    return float(value) if abs(value) < 1e15 else float("-inf") if value < 0 else float("inf")


def _shown(value: object) -> str:
    return repr(value)[:200]
