"""Events of access lists and their members. Every one has an I and an E code."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.events.base import ResourceEvent, variant


class AccessListEvent(ResourceEvent):
    access_list_title: str = ""


class AccessListReviewed(AccessListEvent):
    type: ClassVar[str] = "access_list.review"
    code: ClassVar[str] = "TAL004I"

    review_id: str = ""
    membership_requirements_changed: dict[str, object] = {}
    review_frequency_changed: str = ""
    review_day_of_month_changed: str = ""
    removed_members: list[str] = []


class ListMember(msgspec.Struct, kw_only=True, omit_defaults=True):
    member_name: str = ""
    joined_on: str = ""
    removed_on: str = ""
    reason: str = ""
    membership_kind: str = ""


class AccessListMemberEvent(ResourceEvent):
    access_list_name: str = ""
    access_list_title: str = ""
    members: list[ListMember] = []


AccessListReviewFailed = variant(AccessListReviewed, "AccessListReviewFailed", "access_list.review", "TAL004E")

LISTS: tuple[type[AccessListEvent], ...] = tuple(
    variant(AccessListEvent, f"AccessList{verb.title()}{outcome}", f"access_list.{verb}", f"TAL{number:03d}{letter}")
    for number, verb in enumerate(("create", "update", "delete"), 1)
    for outcome, letter in (("", "I"), ("Failed", "E"))
)
MEMBERS: tuple[type[AccessListMemberEvent], ...] = tuple(
    variant(
        AccessListMemberEvent,
        f"AccessListMember{verb.title().replace('_', '')}{outcome}",
        f"access_list.member.{verb}",
        f"TAL{number:03d}{letter}",
    )
    for number, verb in enumerate(("create", "update", "delete", "delete_all_members"), 5)
    for outcome, letter in (("", "I"), ("Failed", "E"))
)
