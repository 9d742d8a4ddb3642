"""Events of access requests and locks."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from teleport.model.events.base import ResourceEvent, UserEvent, variant
from teleport.model.identity import ResourceId


class AccessRequestCreated(ResourceEvent):
    type: ClassVar[str] = "access_request.create"
    code: ClassVar[str] = "T5000I"

    id: str = ""
    state: str = ""
    roles: list[str] = []
    resource_ids: list[ResourceId] = []
    reason: str = ""
    max_duration: datetime | None = None
    annotations: dict[str, list[str]] = {}
    delegator: str = ""
    promoted_access_list_name: str = ""
    assume_start_time: datetime | None = None


class AccessRequestUpdated(AccessRequestCreated):
    """The state was set without a review."""

    type = "access_request.update"
    code = "T5001I"


class AccessRequestReviewed(AccessRequestCreated):
    type = "access_request.review"
    code = "T5002I"

    proposed_state: str = ""
    reviewer: str = ""


class AccessRequestDeleted(ResourceEvent):
    type: ClassVar[str] = "access_request.delete"
    code: ClassVar[str] = "T5003I"

    id: str = ""


class AccessRequestSearched(UserEvent):
    """Resources were looked for with the roles that might be asked for."""

    type: ClassVar[str] = "access_request.search"
    code: ClassVar[str] = "T5004I"

    resource_type: str = ""
    search_as_roles: list[str] = []
    labels: dict[str, str] = {}
    predicate_expression: str = ""
    search_keywords: list[str] = []
    namespace: str = ""


AccessRequestExpired = variant(AccessRequestDeleted, "AccessRequestExpired", "access_request.expire", "T5005I")


class LockCreated(ResourceEvent):
    """Created or changed; `target` has the set fields of the lock's target."""

    type: ClassVar[str] = "lock.created"
    code: ClassVar[str] = "TLK00I"

    target: dict[str, str] = {}


class LockDeleted(LockCreated):
    type = "lock.deleted"
    code = "TLK01I"
