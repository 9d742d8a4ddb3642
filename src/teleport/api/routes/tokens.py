"""Join tokens. The name of a token is its secret, so it travels in bodies and answers, never in an address."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.route import Empty, Route


class CreateToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shared token for hosts of `roles` (Node, Proxy, …). `value` empty: drawn at random. `ttl` default 30m."""

    roles: tuple[str, ...]
    value: str = ""
    ttl: timedelta | None = None
    labels: dict[str, str] = {}
    single_use: bool = False


class TokenCreated(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    roles: tuple[str, ...]
    expires: datetime | None
    ca_pins: tuple[str, ...] = ()


class ListTokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    with_secrets: bool = False
    """Show names in full, to whoever may read tokens."""


class TokenShown(msgspec.Struct, frozen=True, kw_only=True):
    """`id` names the token without revealing it; `token` is masked unless asked for. Static ones have no end."""

    id: str
    token: str
    roles: tuple[str, ...]
    join_method: str = "token"
    expires: datetime | None = None
    labels: dict[str, str] = {}
    static: bool = False


class Tokens(msgspec.Struct, frozen=True):
    tokens: tuple[TokenShown, ...] = ()


class DeleteToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By its full name or by its id."""

    token: str


CREATE = Route("POST", "/v1/tokens", CreateToken, TokenCreated, summary="Create a join token")
LIST = Route("GET", "/v1/tokens", ListTokens, Tokens, summary="List join tokens, masked")
DELETE = Route("POST", "/v1/tokens/delete", DeleteToken, Empty, summary="Delete a join token")
ROUTES = (CREATE, LIST, DELETE)
