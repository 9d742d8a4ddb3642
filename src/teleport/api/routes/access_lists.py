"""Access lists for those who run them: members, reviews, and whom a list reaches. Lists themselves are resources.

Owners of a list and whoever may update `access_list` may call these.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.route import Empty, Route


class ListLists(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that the caller runs, belongs to, or may list anyway."""

    limit: int = 0
    start: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller is to a list. `runs`: may change members and review, as owner or by a role."""

    runs: bool = False
    is_owner: bool = False
    is_member: bool = False
    is_review_due: bool = False


class Lists(msgspec.Struct, frozen=True):
    """`standings` has one entry for each list."""

    lists: tuple[msgspec.Raw, ...] = ()
    next_start: str = ""
    standings: tuple[Standing, ...] = ()


class ListName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class ListShown(msgspec.Struct, frozen=True):
    access_list: msgspec.Raw
    standing: Standing = Standing()


class Members(msgspec.Struct, frozen=True):
    """Each an `access_list_member`. `titles` are of lists inside (members or owners) that the caller sees."""

    members: tuple[msgspec.Raw, ...] = ()
    titles: dict[str, str] = {}


class AddMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind`: `user` or `list` (then `member` is the list's name). A member that is there is changed."""

    name: str
    member: str
    kind: str = "user"
    expires: datetime | None = None
    reason: str = ""


class MemberName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    member: str


class MemberShown(msgspec.Struct, frozen=True):
    member: msgspec.Raw


class ReviewList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who stays has been looked at: the next review is due one recurrence later."""

    name: str
    notes: str = ""
    removed_members: tuple[str, ...] = ()
    frequency: str = ""
    day_of_month: str = ""


class Reviews(msgspec.Struct, frozen=True):
    """Each an `access_list_review`, newest first."""

    reviews: tuple[msgspec.Raw, ...] = ()


class ReviewShown(msgspec.Struct, frozen=True):
    review: msgspec.Raw
    next_audit_date: datetime


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """`way`: the lists between. `detail`: what is not met, where the list gives nothing."""

    user: str
    role: str
    has_grants: bool
    way: str = ""
    detail: str = ""


class Audience(msgspec.Struct, frozen=True):
    people: tuple[Reached, ...] = ()


LIST = Route("GET", "/v1/accesslists", ListLists, Lists, summary="List access lists")
GET = Route("GET", "/v1/accesslists/{name}", ListName, ListShown, summary="One access list")
MEMBERS = Route("GET", "/v1/accesslists/{name}/members", ListName, Members, summary="Members of an access list")
ADD = Route(
    "PUT", "/v1/accesslists/{name}/members/{member}", AddMember, MemberShown, summary="Add a member to an access list"
)
REMOVE = Route(
    "DELETE", "/v1/accesslists/{name}/members/{member}", MemberName, Empty, summary="Take a member off an access list"
)
REMOVE_ALL = Route(
    "DELETE", "/v1/accesslists/{name}/members", ListName, Empty, summary="Take all members off an access list"
)
REVIEW = Route("POST", "/v1/accesslists/{name}/reviews", ReviewList, ReviewShown, summary="Review an access list")
REVIEWS = Route("GET", "/v1/accesslists/{name}/reviews", ListName, Reviews, summary="Reviews of an access list")
AUDIENCE = Route("GET", "/v1/accesslists/{name}/audience", ListName, Audience, summary="Whom an access list reaches")
ROUTES = (LIST, GET, MEMBERS, ADD, REMOVE, REMOVE_ALL, REVIEW, REVIEWS, AUDIENCE)
