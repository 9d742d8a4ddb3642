"""Reviews that an outside service gives by a signed message. Strangers call it: the signature is the proof.

The signature (credentials.webhook_signatures) is over `id`, `timestamp` (Unix seconds) and the raw body, which is
JSON: {"access_request": ID, "state": "APPROVED" | "DENIED", "reason": TEXT}.
"""

from __future__ import annotations

import msgspec

from teleport.api.route import Audience, Route, Shape


class ReceiveReview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plugin: str
    id: str
    timestamp: int
    signature: str
    content: bytes = b""


class ReviewReceived(msgspec.Struct, frozen=True):
    """The state of the request after it."""

    state: str


RECEIVE_REVIEW = Route(
    "POST",
    "/webapi/plugins/{plugin}/reviews",
    ReceiveReview,
    ReviewReceived,
    Audience.PUBLIC,
    Shape.BODY,
    summary="Take a signed review of an outside service",
    max_body=64 * 1024,
    heavy=True,
)
ROUTES = (RECEIVE_REVIEW,)
