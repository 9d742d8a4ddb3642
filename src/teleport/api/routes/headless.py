"""Logging in on a machine without browser or keys: the request waits there until its user approves it elsewhere."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Audience, Empty, Route
from teleport.api.routes.login import LoginGranted


class HeadlessLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The call waits until the user decides, three minutes at most. Keys and `ttl` as of a login; `headless_id` is
    derived from the SSH key, so that nobody can have another's request approved.
    """

    user: str
    headless_id: str = ""
    ssh_pub_key: bytes = b""
    tls_pub_key: bytes = b""
    ttl: int = 0
    compatibility: str = ""
    route_to_cluster: str = msgspec.field(name="RouteToCluster", default="")


class HeadlessId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class HeadlessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is pending, approved or denied; `client_ip_address` is where somebody waits."""

    id: str
    user: str
    state: str
    client_ip_address: str
    expires: datetime


class HeadlessRequests(msgspec.Struct, frozen=True):
    requests: tuple[HeadlessRequest, ...] = ()


class HeadlessDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`action` is accept or deny; accepting needs an answer to a challenge of the scope headless."""

    id: str
    action: str
    webauthn_assertion_response: Json | None = msgspec.field(name="webauthnAssertionResponse", default=None)


LOGIN = Route(
    "POST",
    "/webapi/headless/login",
    HeadlessLogin,
    LoginGranted,
    Audience.PUBLIC,
    summary="Wait for a headless login's approval",
    heavy=True,
)
LIST = Route("GET", "/v1/headless", Empty, HeadlessRequests, summary="The caller's pending headless logins")
SHOW = Route("GET", "/v1/headless/{id}", HeadlessId, HeadlessRequest, summary="One headless login of the caller")
DECIDE = Route("PUT", "/v1/headless/{id}", HeadlessDecision, HeadlessRequest, summary="Approve or deny it")
ROUTES = (LOGIN, LIST, SHOW, DECIDE)
