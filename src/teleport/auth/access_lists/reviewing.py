"""Reviews of lists: who stays is looked at on a schedule, and owners are told when it is due."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import msgspec

from teleport.api.routes.access_lists import ListName, MemberName, ReviewList, Reviews, ReviewShown
from teleport.auth.access_lists.events import record_review
from teleport.auth.access_lists.members import ListMembers
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import (
    AccessList,
    AccessListReview,
    AccessListReviewSpec,
    Audit,
    Recurrence,
    ReviewChanges,
)
from teleport.model.resources.cluster_alert import (
    ACCESS_LIST,
    ON_LOGIN,
    VERB_PERMIT,
    ClusterAlert,
    ClusterAlertSpec,
)
from teleport.policy.access_lists import is_review_due, next_audit

ALERT = "access-list-review-"
_ALERT_TTL = timedelta(days=2)
MAX_NOTES = 4096


class ListReviews:
    """For owners and whoever may update lists."""

    def __init__(self, cluster: Cluster, members: ListMembers) -> None:
        self._cluster = cluster
        self._members = members

    async def review(self, caller: Caller, request: ReviewList) -> ReviewShown:
        """Raises AccessDenied, BadParameter, NotFound."""
        found = await self._members.run_by(caller, request.name)
        if len(request.notes) > MAX_NOTES:
            raise BadParameter(f"notes are longer than {MAX_NOTES} characters")
        now = self._cluster.clock.now()
        there = {one.name for one in await self._members.of(found.name)}
        if unknown := sorted(set(request.removed_members) - there):
            raise BadParameter(f"{unknown[0]!r} is not a member of access list {found.name!r}")
        changed = _rescheduled(found, request, now)
        changed.check()
        review = AccessListReview(
            metadata=Metadata(name=new_uuid()),
            spec=AccessListReviewSpec(
                access_list=found.name,
                reviewers=[caller.name],
                review_date=now,
                notes=request.notes,
                changes=ReviewChanges(
                    removed_members=list(request.removed_members),
                    review_frequency_changed=request.frequency,
                    review_day_of_month_changed=request.day_of_month,
                ),
            ),
        )
        review.check()
        written = await self._cluster.store.update(changed)
        for name in request.removed_members:
            await self._members.remove(caller, MemberName(found.name, name))
        kept = await self._cluster.store.create(review)
        await record_review(self._cluster, caller, written, kept)
        await self._settle(written, now)
        assert written.spec.audit is not None
        assert written.spec.audit.next_audit_date is not None
        return ReviewShown(msgspec.Raw(encode_json(kept)), written.spec.audit.next_audit_date)

    async def reviews(self, caller: Caller, request: ListName) -> Reviews:
        await self._members.run_by(caller, request.name)
        every = self._cluster.store.iterate(AccessListReview)
        found = [one async for one in every if one.spec.access_list == request.name]
        found.sort(key=lambda one: one.spec.review_date or self._cluster.clock.now(), reverse=True)
        return Reviews(tuple(msgspec.Raw(encode_json(one)) for one in found))

    async def give_notice(self) -> None:
        """An alert for each list whose review is near or late; none for the others. Run now and then."""
        now = self._cluster.clock.now()
        names: set[str] = set()
        async for found in self._cluster.store.iterate(AccessList):
            names.add(ALERT + found.name)
            await self._settle(found, now)
        async for alert in self._cluster.store.iterate(ClusterAlert):
            if alert.name.startswith(ALERT) and alert.name not in names:
                await self._forget(alert.name)

    async def _settle(self, found: AccessList, now: datetime) -> None:
        name = ALERT + found.name
        old = await self._cluster.store.find(ClusterAlert, name)
        if not is_review_due(found, now):
            if old is not None:
                await self._forget(name)
            return
        alert = _alert(name, found, now)
        if old is None or old.spec.message != alert.spec.message or (old.expires or now) < now + _ALERT_TTL / 2:
            if old is not None:
                alert.spec.created = old.spec.created
            await self._cluster.store.upsert(alert)

    async def _forget(self, name: str) -> None:
        with contextlib.suppress(NotFound):
            await self._cluster.store.delete(ClusterAlert, name)


def _rescheduled(found: AccessList, request: ReviewList, now: datetime) -> AccessList:
    audit = found.spec.audit or Audit()
    old = audit.recurrence or Recurrence()
    recurrence = Recurrence(
        frequency=request.frequency or old.frequency, day_of_month=request.day_of_month or old.day_of_month
    )
    moved = msgspec.structs.replace(audit, recurrence=recurrence)
    changed = msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, audit=moved))
    moved.next_audit_date = next_audit(changed, now)
    return changed


def _alert(name: str, found: AccessList, now: datetime) -> ClusterAlert:
    assert found.spec.audit is not None
    due = found.spec.audit.next_audit_date
    assert due is not None
    is_late = due <= now
    title = "".join(letter if letter.isprintable() else " " for letter in found.spec.title)[:200]
    word = "was due" if is_late else "is due"
    alert = ClusterAlert(
        metadata=Metadata(
            name=name,
            expires=now + _ALERT_TTL,
            labels={
                ON_LOGIN: "yes",
                VERB_PERMIT: "access_list:update|access_list_member:update",
                ACCESS_LIST: found.name,
            },
        ),
        spec=ClusterAlertSpec(
            severity="HIGH" if is_late else "MEDIUM",
            message=f'The members of the access list "{title}" must be reviewed: it {word} on {due.date()}. '
            f"tctl acl reviews create {found.name}",
            created=now,
        ),
    )
    alert.check()
    return alert
