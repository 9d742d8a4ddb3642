"""Access request: somebody asks for roles or resources for a time; reviewers decide."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from teleport.model.identity import ResourceId
from teleport.model.resource import Model, Resource, require
from teleport.model.resources.role_conditions import AccessReviewThreshold
from teleport.model.values import Duration, Flag, Instant, LabelSelector, StringList, choice, meta, utc

STATES = ("NONE", "PENDING", "APPROVED", "DENIED", "PROMOTED")
MAX_REASON = 4096
MAX_RESOURCES = 300

RequestState = Annotated[
    Literal["NONE", "PENDING", "APPROVED", "DENIED", "PROMOTED"],
    meta(choice("state", dict(enumerate(STATES)), {state.lower(): state for state in STATES})),
]
"""Also the numbers 0 to 4."""


class ThresholdIndexes(Model):
    """Positions in `thresholds` of which at least one must be met."""

    sets: list[list[int]] = []


class AccessReview(Model):
    author: str
    roles: StringList = []
    proposed_state: RequestState = "NONE"
    reason: str = ""
    created: Instant | None = None
    annotations: LabelSelector = {}
    threshold_indexes: list[int] = []
    assume_start_time: Instant | None = None


class AccessRequestSpec(Model):
    user: str
    roles: StringList = []
    state: RequestState = "PENDING"
    created: Instant | None = None
    expires: Instant | None = None
    request_reason: str = ""
    resolve_reason: str = ""
    resolve_annotations: LabelSelector = {}
    system_annotations: LabelSelector = {}
    thresholds: list[AccessReviewThreshold] = []
    role_threshold_mapping: dict[str, ThresholdIndexes] = {}
    reviews: list[AccessReview] = []
    suggested_reviewers: StringList = []
    requested_resource_ids: list[ResourceId] = []
    login_hint: str = ""
    dry_run: Flag = False
    max_duration: Instant | None = None
    session_ttl: Instant | None = None
    request_ttl: Duration | None = None
    assume_start_time: Instant | None = None
    promoted_access_list_title: str = ""


class AccessRequest(Resource):
    """`max_duration` and `session_ttl` are moments: the latest ends asked for."""

    KIND: ClassVar[str] = "access_request"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: AccessRequestSpec

    def check_spec(self) -> None:
        spec = self.spec
        require(spec.user, "spec.user is missing")
        require(spec.roles or spec.requested_resource_ids, "spec.roles is empty and no resource is asked for")
        require(
            len(spec.requested_resource_ids) <= MAX_RESOURCES, f"more than {MAX_RESOURCES} resources are asked for"
        )
        for field in ("request_reason", "resolve_reason"):
            require(len(getattr(spec, field)) <= MAX_REASON, f"spec.{field} is longer than {MAX_REASON} characters")
        for field in ("created", "expires", "max_duration", "session_ttl", "assume_start_time"):
            setattr(spec, field, utc(getattr(spec, field), f"spec.{field}"))
        for number, review in enumerate(spec.reviews):
            require(review.author, f"spec.reviews[{number}].author is missing")
            require(
                len(review.reason) <= MAX_REASON,
                f"spec.reviews[{number}].reason is longer than {MAX_REASON} characters",
            )
            review.created = utc(review.created, f"spec.reviews[{number}].created")
            review.assume_start_time = utc(review.assume_start_time, f"spec.reviews[{number}].assume_start_time")
