"""Method `token`: whoever knows the token's name may join with its roles, until it expires or is used up."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.credentials import tokens
from teleport.model.resources.token import Token, system_role

REFUSAL = (
    "joining refused: the token is unknown, expired, used up, or not for this role; "
    "ask for a new one (tctl tokens add)"
)


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks to join, as what, with which token and by which method."""

    token: str
    role: str
    host_id: str
    node_name: str = ""
    method: str = "token"


class JoinDecision(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is for the audit log alone; `message`, the same for every refusal, for the one who asked."""

    allowed: bool
    reason: str = ""
    message: str = ""


def check(token: Token | None, request: JoinRequest, now: datetime) -> JoinDecision:
    """Whether the token that a request names lets it in. None: there is no such token.

    A token with a number of uses counts after this, by compare-and-swap, before anything is issued.
    """
    reason = _why_not(token, request, now)
    if reason:
        return JoinDecision(allowed=False, reason=reason, message=REFUSAL)
    return JoinDecision(allowed=True)


def _why_not(token: Token | None, request: JoinRequest, now: datetime) -> str:
    if token is None or not tokens.equal(token.name, request.token):
        return "no such token"
    method = token.spec.join_method or "token"
    if method != "token":
        return f"the token is for join method {method}, not for its name alone"
    if request.method not in ("", "token"):
        return f"join method {request.method} was asked for, the token is for method token"
    if token.is_expired(now):
        return f"the token expired at {token.expires:%Y-%m-%d %H:%M:%S} UTC"
    if token.uses_left == 0:
        return f"the token was used {token.spec.uses} times already"
    if request.role not in (system_role(role) for role in token.spec.roles):
        return f"role {request.role!r} is not among the token's: {', '.join(token.spec.roles)}"
    if not request.host_id:
        return "the host gives no id"
    return ""
