"""Route: one call of the API as data. The server binds it to a coroutine, clients call it with its types.

Every field of a request travels once: a field named in the path travels there; of a GET or DELETE the rest
travels in the query (lists as repeated keys, mappings as JSON); of any other method the rest is the JSON body.
`BODY` routes carry one field, `content`, as the raw body instead, and the rest in the query.
"""

from __future__ import annotations

import enum
import re
from typing import Generic, Literal, TypeVar

import msgspec

Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)

Method = Literal["GET", "POST", "PUT", "DELETE"]
_PATH_FIELD = re.compile(r"{(\w+)(?::path)?}")

MAX_BODY = 1 << 20
MAX_PART = 16 << 20


class Audience(enum.Enum):
    """Who may call. The server enforces it before the bound coroutine runs; guard decides the rest."""

    PUBLIC = "public"
    """Anybody, with or without a certificate; limited by address."""
    AUTHENTICATED = "authenticated"
    """Whoever shows a certificate of this cluster."""
    PROXY = "proxy"
    """Proxies alone, for a browser that has no certificate: the answer holds what only a proxy may keep."""


class Shape(enum.Enum):
    """What the body of the request and of the answer is."""

    JSON = "json"
    """JSON both ways."""
    LINES = "lines"
    """The answer is a stream of JSON lines, each a Response; it may be without end, with empty keep-alive lines."""
    DOWNLOAD = "download"
    """The answer is a stream of bytes."""
    BODY = "body"
    """The request's field `content` is the raw body; the answer is JSON."""
    TEXT = "text"
    """The answer is plain text; Response has one field, `text`."""


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say."""


class Route(msgspec.Struct, Generic[Request, Response], frozen=True):
    """One call: method, path, the types of both sides, and who may call it."""

    method: Method
    path: str
    request: type[Request]
    response: type[Response]
    audience: Audience = Audience.AUTHENTICATED
    shape: Shape = Shape.JSON
    summary: str = ""
    max_body: int = MAX_BODY
    heavy: bool = False
    """Costs a password hash or a signature: calls without a certificate are limited by address."""

    @property
    def public(self) -> bool:
        return self.audience is Audience.PUBLIC

    @property
    def path_fields(self) -> tuple[str, ...]:
        return tuple(_PATH_FIELD.findall(self.path))

    @property
    def has_json_body(self) -> bool:
        return self.method in ("POST", "PUT") and self.shape is not Shape.BODY


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong. `code` is one of foundation.errors; `event_id` names the audit event of a refusal."""

    code: str
    message: str
    event_id: str = ""


class Failure(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorBody
