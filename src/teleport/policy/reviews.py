"""Reviews of access requests: who may give one, and what a request becomes by it.

A request records the thresholds that held when it was made; for each requested role it names sets of them, and the
role is approved when every set has a threshold that is reached. A threshold counts the reviews that its filter
accepts. One threshold whose denials are reached denies the request at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.access_request import AccessRequest, AccessRequestSpec, AccessReview, RequestState
from teleport.model.resources.role_conditions import AccessReviewThreshold
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.expressions import Expression
from teleport.policy.languages import REVIEW_WHERE, THRESHOLD
from teleport.policy.role_matchers import role_tests
from teleport.policy.role_set import RoleSet


def may_review(reviewer: RoleSet, request: AccessRequest) -> Decision:
    """Not one's own, not twice, only while pending, and only where every requested role is the reviewer's to
    review.
    """
    spec = request.spec
    if spec.user == reviewer.username:
        return _decision(Code.REVIEW_OF_OWN, name=request.name)
    if any(review.author == reviewer.username for review in spec.reviews):
        return _decision(Code.REVIEWED_ALREADY, name=request.name)
    if spec.state != "PENDING":
        return _decision(Code.REQUEST_NOT_PENDING, name=request.name, value=spec.state.lower())
    scope = {"reviewer": _reviewer(reviewer), "request": _request(spec)}
    open_roles = set(spec.roles)
    for role in reviewer.given:
        denied, allowed = role.spec.deny.review_requests, role.spec.allow.review_requests
        if denied is not None and _holds(denied.where, scope, on_failure=True):
            tests, is_whole = role_tests(denied.roles, denied.claims_to_roles, reviewer.traits)
            for name in sorted(spec.roles):
                if not is_whole or any(test(name) for test in tests):
                    return _decision(Code.REVIEW_NOT_ALLOWED, name=request.name, value=name, role=role.name)
        if allowed is not None and _holds(allowed.where, scope, on_failure=False):
            tests, _ = role_tests(allowed.roles, allowed.claims_to_roles, reviewer.traits)
            open_roles -= {name for name in open_roles if any(test(name) for test in tests)}
    if open_roles or not spec.roles:
        return _decision(Code.REVIEW_NOT_ALLOWED, name=request.name, value=min(open_roles, default=""))
    return Decision(allowed=True, reason=Reason(code=Code.REVIEW_ALLOWED, name=request.name))


def _holds(where: str, scope: Mapping[str, object], on_failure: bool) -> bool:
    if not where.strip():
        return True
    try:
        return Expression(where, REVIEW_WHERE).holds(scope)
    except BadParameter:
        return on_failure


def apply_review(request: AccessRequest, review: AccessReview, reviewer: RoleSet) -> AccessRequest:
    """The request with the review in it and the state that follows. Ask may_review first.

    Raises BadParameter for a review that proposes neither approval nor denial.
    """
    if review.proposed_state not in ("APPROVED", "DENIED"):
        raise BadParameter(f"a review proposes APPROVED or DENIED, not {review.proposed_state}")
    counted = [
        number for number, one in enumerate(request.spec.thresholds) if _accepts(one, review, reviewer, request.spec)
    ]
    # who reviews and for which thresholds it counts is ours to say, not the review's
    kept = msgspec.structs.replace(
        review, author=reviewer.username, roles=list(reviewer.names), threshold_indexes=counted
    )
    spec = msgspec.structs.replace(request.spec, reviews=[*request.spec.reviews, kept])
    spec.state = outcome(spec)
    if spec.state != "PENDING":
        spec.resolve_reason = review.reason
        spec.resolve_annotations = review.annotations
    if spec.state == "APPROVED" and review.assume_start_time is not None:
        spec.assume_start_time = review.assume_start_time
    return msgspec.structs.replace(request, spec=spec)


def outcome(spec: AccessRequestSpec) -> RequestState:
    """PENDING until reviews decide."""
    approvals = _tally(spec, "APPROVED")
    denials = _tally(spec, "DENIED")
    if any(denials[number] >= max(one.deny, 1) for number, one in enumerate(spec.thresholds)):
        return "DENIED"
    reached = {number for number, one in enumerate(spec.thresholds) if approvals[number] >= max(one.approve, 1)}
    for name in spec.roles:
        sets = spec.role_threshold_mapping.get(name)
        if sets is None or not sets.sets or not all(reached & set(one) for one in sets.sets):
            return "PENDING"
    return "APPROVED" if spec.roles else "PENDING"


def _tally(spec: AccessRequestSpec, state: RequestState) -> list[int]:
    """For each threshold, how many people proposed the state; a person counts once."""
    return [
        len({one.author for one in spec.reviews if one.proposed_state == state and number in one.threshold_indexes})
        for number in range(len(spec.thresholds))
    ]


def _accepts(
    threshold: AccessReviewThreshold, review: AccessReview, reviewer: RoleSet, spec: AccessRequestSpec
) -> bool:
    if not threshold.filter.strip():
        return True
    scope = {
        "reviewer": _reviewer(reviewer),
        "review": {"reason": review.reason, "annotations": review.annotations},
        "request": _request(spec),
    }
    try:
        return Expression(threshold.filter, THRESHOLD).holds(scope)
    except BadParameter:
        return False


def _reviewer(reviewer: RoleSet) -> dict[str, object]:
    return {"roles": reviewer.names, "traits": reviewer.traits}


def _request(spec: AccessRequestSpec) -> dict[str, object]:
    return {
        "roles": tuple(spec.roles),
        "reason": spec.request_reason,
        "system_annotations": spec.system_annotations,
    }


def _decision(code: Code, *, name: str = "", value: str = "", role: str = "") -> Decision:
    reason = Reason(code=code, kind="access_request", name=name, value=value, role=role)
    return Decision(allowed=False, reason=reason)
