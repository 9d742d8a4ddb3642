"""The audit events of access requests."""

from __future__ import annotations

from typing import Any

from teleport.auth.caller import Caller
from teleport.model.events.access_request import (
    AccessRequestCreated,
    AccessRequestReviewed,
    AccessRequestUpdated,
)
from teleport.model.resources.access_request import AccessRequest, AccessReview


def _fields(caller: Caller, request: AccessRequest) -> dict[str, Any]:
    spec = request.spec
    return {
        "name": request.name,
        "id": request.name,
        "state": spec.state,
        "roles": list(spec.roles),
        "resource_ids": list(spec.requested_resource_ids),
        "expires": spec.expires,
        "updated_by": caller.name,
        "assume_start_time": spec.assume_start_time,
        **caller.event_fields(),
    }


def created_event(caller: Caller, request: AccessRequest) -> AccessRequestCreated:
    fields = _fields(caller, request) | {"user": request.spec.user}
    return AccessRequestCreated(
        reason=request.spec.request_reason,
        max_duration=request.spec.max_duration,
        annotations={key: list(values) for key, values in request.spec.system_annotations.items()},
        **fields,
    )


def updated_event(caller: Caller, request: AccessRequest, delegator: str) -> AccessRequestUpdated:
    annotations = {key: list(values) for key, values in request.spec.resolve_annotations.items()}
    return AccessRequestUpdated(
        reason=request.spec.resolve_reason, delegator=delegator, annotations=annotations, **_fields(caller, request)
    )


def reviewed_event(
    caller: Caller, request: AccessRequest, review: AccessReview, list_name: str
) -> AccessRequestReviewed:
    return AccessRequestReviewed(
        proposed_state=review.proposed_state,
        reviewer=review.author,
        reason=review.reason,
        annotations={key: list(values) for key, values in review.annotations.items()},
        promoted_access_list_name=list_name,
        **_fields(caller, request),
    )
