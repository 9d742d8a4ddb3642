"""Reviews and decisions. Two reviews that race are both counted; one person is counted once."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.route import Empty
from teleport.api.routes.access_lists import AddMember
from teleport.api.routes.access_requests import (
    AccessRequestId,
    AccessRequestShown,
    ReviewAccessRequest,
    SetAccessRequestState,
)
from teleport.auth.access_lists.members import ListMembers
from teleport.auth.access_requests.records import reviewed_event, updated_event
from teleport.auth.access_requests.register import Register
from teleport.auth.access_requests.telling import Telling
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.holdings import own_role_set
from teleport.auth.resource_events import record_change
from teleport.foundation.errors import BadParameter, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import AccessRequest, AccessReview, RequestState
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import AccessReviewConditions, RoleConditions
from teleport.policy import reviews
from teleport.policy.access_monitoring import Verdict
from teleport.policy.decision import Decision
from teleport.policy.role_set import RoleSet

log = get_logger("auth.access_requests")

BOT = "@teleport-access-approval-bot"
MAX_AHEAD = timedelta(days=7)


class _Refused(Exception):
    """A review that policy refuses, found while writing."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


class Deciding:
    """Changes what requests are."""

    def __init__(
        self, cluster: Cluster, guard: Guard, register: Register, telling: Telling, lists: ListMembers
    ) -> None:
        self._cluster = cluster
        self._guard = guard
        self._register = register
        self._telling = telling
        self._lists = lists

    async def review(self, caller: Caller, request: ReviewAccessRequest) -> AccessRequestShown:
        """By the caller's lasting roles. Raises AccessDenied, BadParameter, NotFound."""
        role_set = (await own_role_set(self._cluster, caller)).at(self._cluster.clock.now())
        review = AccessReview(
            author=role_set.username,
            proposed_state=_state(request.state, ("APPROVED", "DENIED", "PROMOTED")),
            reason=request.reason,
            created=self._cluster.clock.now(),
            annotations={key: list(values) for key, values in request.annotations.items()},
            assume_start_time=request.assume_start_time,
        )
        if review.proposed_state == "PROMOTED":
            written = await self._promoted(caller, role_set, request, review)
        else:
            written = await self.review_as(caller, role_set, request.id, review)
        return self._register.shown(written)

    async def review_as(self, caller: Caller, reviewer: RoleSet, name: str, review: AccessReview) -> AccessRequest:
        """A review by whoever `reviewer` is."""
        written = await self._reviewed(caller, reviewer, name, review)
        kept = written.spec.reviews[-1]
        await self._cluster.journal.record(reviewed_event(caller, written, kept, ""))
        await self._telling.tell("reviewed", written, kept)
        if written.spec.state != "PENDING":
            await self._telling.tell("resolved", written)
        return written

    async def _promoted(
        self, caller: Caller, reviewer: RoleSet, request: ReviewAccessRequest, review: AccessReview
    ) -> AccessRequest:
        """By a reviewer who runs the list: membership in place of access for a time."""
        if not request.access_list:
            raise BadParameter("name the access list that the requester becomes a member of")
        await self._refuse_own(caller, await self._register.get(request.id))
        found = await self._lists.run_by(caller, request.access_list)
        title = found.spec.title

        def edit(found: AccessRequest) -> AccessRequest:
            decision = reviews.may_review(reviewer, found)
            if not decision.allowed:
                raise _Refused(decision)
            return promoted(found, review, title, reviewer)

        try:
            written = await self._register.edit(request.id, edit)
        except _Refused as refused:
            await self._guard.enforce(caller, refused.decision, request.id)
            raise AssertionError("a refused review was let through") from refused
        member = AddMember(name=request.access_list, member=written.spec.user, reason=request.reason)
        await self._lists.add(caller, member)
        await self._cluster.journal.record(
            reviewed_event(caller, written, written.spec.reviews[-1], request.access_list)
        )
        await self._telling.tell("resolved", written)
        return written

    async def review_by_rule(self, request: AccessRequest, verdict: Verdict) -> AccessRequest:
        """The review that an access monitoring rule gives; what it may not decide stays as it is."""
        review = AccessReview(
            author=BOT,
            proposed_state=verdict.decision,
            reason=f"access monitoring rule {verdict.rule!r}",
            created=self._cluster.clock.now(),
        )
        try:
            return await self.review_as(Caller(""), RoleSet.of([_approver()], {}, BOT), request.name, review)
        except TeleportError as error:
            log.error("an automatic review was not taken", request=request.name, rule=verdict.rule, error=error)
            return request

    async def _reviewed(self, caller: Caller, reviewer: RoleSet, name: str, review: AccessReview) -> AccessRequest:
        def edit(found: AccessRequest) -> AccessRequest:
            decision = reviews.may_review(reviewer, found)
            if not decision.allowed:
                raise _Refused(decision)
            if review.assume_start_time is not None:
                check_start(review.assume_start_time, self._cluster.clock.now(), found.spec.expires)
            made = reviews.apply_review(found, review, reviewer)
            made.check()
            return made

        await self._refuse_own(caller, await self._register.get(name))
        try:
            return await self._register.edit(name, edit)
        except _Refused as refused:
            await self._guard.enforce(caller, refused.decision, name)
            raise AssertionError("a refused review was let through") from refused

    async def set_state(self, caller: Caller, request: SetAccessRequestState) -> AccessRequestShown:
        """Without a review, for whoever may update requests; never one's own. Raises as `review`."""
        state = _state(request.state, ("APPROVED", "DENIED"))
        found = await self._register.get(request.id)
        await self._guard.require(caller, "update", AccessRequest.KIND, resource=found)
        await self._refuse_own(caller, found)

        def edit(found: AccessRequest) -> AccessRequest:
            if found.spec.state != "PENDING":
                raise BadParameter(f"access request {found.name!r} is {found.spec.state.lower()} already")
            if more := set(request.roles) - set(found.spec.roles):
                raise BadParameter(f"role {min(more)!r} was not asked for")
            spec = msgspec.structs.replace(
                found.spec,
                state=state,
                resolve_reason=request.reason,
                resolve_annotations={key: list(values) for key, values in request.annotations.items()},
                roles=[role for role in found.spec.roles if not request.roles or role in request.roles],
            )
            if request.assume_start_time is not None:
                check_start(request.assume_start_time, self._cluster.clock.now(), spec.expires)
                spec.assume_start_time = request.assume_start_time
            made = msgspec.structs.replace(found, spec=spec)
            made.check()
            return made

        written = await self._register.edit(request.id, edit)
        await self._cluster.journal.record(updated_event(caller, written, request.delegator[:255]))
        await self._telling.tell("resolved", written)
        return self._register.shown(written)

    async def delete(self, caller: Caller, request: AccessRequestId) -> Empty:
        """One's own while it is pending; any for whoever may delete requests."""
        found = await self._register.get(request.id)
        is_own = caller.is_person and found.spec.user == caller.name and found.spec.state == "PENDING"
        if not is_own:
            await self._guard.require(caller, "delete", AccessRequest.KIND, resource=found)
        await self._register.delete(found)
        await record_change(self._cluster, caller, "delete", found)
        return Empty()

    async def _refuse_own(self, caller: Caller, found: AccessRequest) -> None:
        """Nobody decides what they asked for themselves, not as somebody else either."""
        identity = caller.identity
        if identity is not None and found.spec.user in (identity.username, identity.impersonator):
            await self._guard.refuse(
                caller, f"access request {found.name!r} is your own: somebody else has to decide it"
            )


def _state(text: str, allowed: tuple[RequestState, ...]) -> RequestState:
    for state in allowed:
        if state == text.upper():
            return state
    raise BadParameter(f"state {text[:40]!r}: expected {', '.join(allowed)}")


def promoted(request: AccessRequest, review: AccessReview, title: str, reviewer: RoleSet) -> AccessRequest:
    """The request that became a membership."""
    kept = msgspec.structs.replace(review, author=reviewer.username, roles=list(reviewer.names))
    spec = msgspec.structs.replace(
        request.spec,
        state="PROMOTED",
        reviews=[*request.spec.reviews, kept],
        resolve_reason=review.reason,
        promoted_access_list_title=title,
    )
    made = msgspec.structs.replace(request, spec=spec)
    made.check()
    return made


def _approver() -> Role:
    """What the automatic reviewer may: review any role."""
    allow = RoleConditions(review_requests=AccessReviewConditions(roles=["*"]))
    return Role(metadata=Metadata(name="@teleport-access-approver"), spec=RoleSpec(allow=allow))


def check_start(moment: datetime, now: datetime, end: datetime | None) -> None:
    """Raises BadParameter for a beginning that is past, too far, or after the end."""
    if moment.tzinfo is None:
        raise BadParameter("assume_start_time has no time zone")
    if moment <= now or moment > now + MAX_AHEAD:
        raise BadParameter(
            f"assume_start_time is {moment.isoformat()}, expected within the next {MAX_AHEAD.days} days"
        )
    if end is not None and moment >= end:
        raise BadParameter(f"assume_start_time is {moment.isoformat()}, the access ends before, at {end.isoformat()}")
