"""The audit events of access lists, their members and reviews: successes and failures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.model.events.access_list import (
    AccessListEvent,
    AccessListMemberEvent,
    AccessListReviewed,
    ListMember,
)
from teleport.model.events.catalog import EVENTS
from teleport.model.resources.access_list import AccessList, AccessListMember, AccessListReview

ListChange = Literal["create", "update", "delete"]
MemberChange = Literal["create", "update", "delete", "delete_all_members"]
_LIST_CODES = {"create": "TAL001I", "update": "TAL002I", "delete": "TAL003I"}
_MEMBER_CODES = {"create": "TAL005I", "update": "TAL006I", "delete": "TAL007I", "delete_all_members": "TAL008I"}


async def record_list(cluster: Cluster, caller: Caller, change: ListChange, found: AccessList) -> None:
    kind = EVENTS[f"access_list.{change}", _LIST_CODES[change]]
    assert issubclass(kind, AccessListEvent)
    event = kind(
        name=found.name,
        access_list_title=found.spec.title,
        updated_by=caller.name,
        success=True,
        **caller.event_fields(),
    )
    await cluster.journal.record(event)


async def record_members(
    cluster: Cluster, caller: Caller, change: MemberChange, found: AccessList, members: Iterable[AccessListMember]
) -> None:
    kind = EVENTS[f"access_list.member.{change}", _MEMBER_CODES[change]]
    assert issubclass(kind, AccessListMemberEvent)
    told = [
        ListMember(
            member_name=one.spec.name or one.name,
            joined_on=one.spec.joined.isoformat() if one.spec.joined else "",
            removed_on=cluster.clock.now().isoformat() if change.startswith("delete") else "",
            reason=one.spec.reason,
            membership_kind=one.spec.membership_kind,
        )
        for one in members
    ]
    event = kind(
        name=found.name,
        access_list_name=found.name,
        access_list_title=found.spec.title,
        members=told,
        updated_by=caller.name,
        success=True,
        **caller.event_fields(),
    )
    await cluster.journal.record(event)


async def record_review(cluster: Cluster, caller: Caller, found: AccessList, review: AccessListReview) -> None:
    changes = review.spec.changes
    event = AccessListReviewed(
        name=found.name,
        access_list_title=found.spec.title,
        review_id=review.name,
        removed_members=list(changes.removed_members) if changes else [],
        review_frequency_changed=changes.review_frequency_changed if changes else "",
        review_day_of_month_changed=changes.review_day_of_month_changed if changes else "",
        updated_by=caller.name,
        success=True,
        **caller.event_fields(),
    )
    await cluster.journal.record(event)
