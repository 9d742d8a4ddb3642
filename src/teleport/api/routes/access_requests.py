"""Access requests: asking for roles or resources, reviewing, deciding; what may be asked for, and looking for it.

A request travels as the resource `access_request` in JSON of model.codec.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.route import Empty, Route
from teleport.api.routes.resources import ResourcePage


class CreateAccessRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for roles, or for resources (`/cluster/kind/name`) with the roles that reach them.

    `user` is for whoever may ask in the name of others. `roles` may be `*`: all that may be asked for. With
    `resource_ids`, `roles` narrows what is used to reach them, and `login_hint`, the login that is meant on servers,
    leaves out roles that do not open it. `dry_run` only tells what the request would be.
    """

    user: str = ""
    roles: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    reason: str = ""
    suggested_reviewers: tuple[str, ...] = ()
    max_duration: timedelta | None = None
    session_ttl: timedelta | None = None
    request_ttl: timedelta | None = None
    assume_start_time: datetime | None = None
    login_hint: str = ""
    dry_run: bool = False


class AccessRequestShown(msgspec.Struct, frozen=True):
    request: msgspec.Raw


class ListAccessRequests(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`scope`: empty for all that the caller may see, `mine`, `reviewable` (waiting for the caller's review),
    `reviewed` (by the caller). Newest first. `limit` 0: the default of 500.
    """

    scope: str = ""
    state: str = ""
    user: str = ""
    limit: int = 0
    start: str = ""


class AccessRequestPage(msgspec.Struct, frozen=True):
    """`next_start` is empty on the last page."""

    requests: tuple[msgspec.Raw, ...] = ()
    next_start: str = ""


class AccessRequestId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class GetAccessRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With `wait`, the answer comes when the request is no longer pending, or after that time (at most 25 s)."""

    id: str
    wait: timedelta | None = None


class ReviewAccessRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`state`: APPROVED, DENIED, or PROMOTED: who asks becomes a member of `access_list`, which the caller runs."""

    id: str
    state: str
    reason: str = ""
    annotations: dict[str, tuple[str, ...]] = {}
    assume_start_time: datetime | None = None
    access_list: str = ""


class SetAccessRequestState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decide without a review. `roles`, when given, are those of the requested that are approved; `delegator` is on
    whose behalf it is done.
    """

    id: str
    state: str
    reason: str = ""
    annotations: dict[str, tuple[str, ...]] = {}
    roles: tuple[str, ...] = ()
    delegator: str = ""
    assume_start_time: datetime | None = None


class AskCapabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the caller, or of `user` for whoever may ask for others. `resource_ids`: also the roles that reach them,
    with `login` those that open it on servers.
    """

    user: str = ""
    resource_ids: tuple[str, ...] = ()
    login: str = ""


class AccessCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`automatic`: a login asks by itself. `reason_required_for` are roles that want a reason."""

    requestable_roles: tuple[str, ...] = ()
    search_as_roles: tuple[str, ...] = ()
    suggested_reviewers: tuple[str, ...] = ()
    reason_prompts: tuple[str, ...] = ()
    reason_required: bool = False
    reason_required_for: tuple[str, ...] = ()
    automatic: bool = False
    applicable_roles: tuple[str, ...] = ()


class SearchResources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Resources that may be asked for: seen as with all roles of `search_as_roles`. Fields as in resources.LIST."""

    kind: str
    limit: int = 0
    start: str = ""
    search: str = ""
    query: str = ""
    labels: dict[str, str] = {}
    sort: str = ""


class RequestedResource(msgspec.Struct, frozen=True, kw_only=True):
    """`name` and `labels` are empty where the caller may not see them."""

    id: str
    name: str = ""
    labels: dict[str, str] = {}


class RequestedResources(msgspec.Struct, frozen=True):
    resources: tuple[RequestedResource, ...] = ()


CREATE = Route("POST", "/v1/accessrequests", CreateAccessRequest, AccessRequestShown, summary="Ask for access")
LIST = Route("GET", "/v1/accessrequests", ListAccessRequests, AccessRequestPage, summary="List access requests")
SEARCH = Route(
    "GET", "/v1/requestable/{kind}", SearchResources, ResourcePage, summary="Look for resources to ask for"
)
CAPABILITIES = Route(
    "GET", "/v1/requestable", AskCapabilities, AccessCapabilities, summary="What may be asked for, and how"
)
GET = Route("GET", "/v1/accessrequests/{id}", GetAccessRequest, AccessRequestShown, summary="One access request")
RESOURCES = Route(
    "GET",
    "/v1/accessrequests/{id}/resources",
    AccessRequestId,
    RequestedResources,
    summary="The resources of an access request",
)
REVIEW = Route(
    "POST",
    "/v1/accessrequests/{id}/reviews",
    ReviewAccessRequest,
    AccessRequestShown,
    summary="Review an access request",
)
SET_STATE = Route(
    "PUT",
    "/v1/accessrequests/{id}/state",
    SetAccessRequestState,
    AccessRequestShown,
    summary="Decide an access request without a review",
)
DELETE = Route("DELETE", "/v1/accessrequests/{id}", AccessRequestId, Empty, summary="Delete an access request")
ROUTES = (CREATE, LIST, SEARCH, CAPABILITIES, GET, RESOURCES, REVIEW, SET_STATE, DELETE)
