"""Access list, its members and its reviews: who gets roles and traits by belonging to a list."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.values import Duration, Instant, StringList, Traits, choice, meta, utc

FREQUENCIES = ("", "1month", "3months", "6months", "1year")
DAYS = ("", "1", "15", "last")

MembershipKind = Annotated[
    Literal["", "MEMBERSHIP_KIND_USER", "MEMBERSHIP_KIND_LIST"],
    meta(
        choice(
            "membership_kind",
            {0: "", 1: "MEMBERSHIP_KIND_USER", 2: "MEMBERSHIP_KIND_LIST"},
            {
                "user": "MEMBERSHIP_KIND_USER",
                "list": "MEMBERSHIP_KIND_LIST",
                "membership_kind_user": "MEMBERSHIP_KIND_USER",
                "membership_kind_list": "MEMBERSHIP_KIND_LIST",
                "membership_kind_unspecified": "",
            },
        )
    ),
]


class Owner(Model):
    name: str
    description: str = ""
    membership_kind: MembershipKind = ""


def _day(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Recurrence(Model):
    """Empty fields: every six months, on the first."""

    frequency: str = ""
    day_of_month: Annotated[str, meta(_day)] = ""


class Notifications(Model):
    start: Duration | None = None


class Audit(Model):
    """How often the members must be reviewed; notice is given 336h before."""

    recurrence: Recurrence | None = None
    notifications: Notifications | None = None
    next_audit_date: Instant | None = None


class Requires(Model):
    roles: StringList = []
    traits: Traits = {}


class Grants(Model):
    roles: StringList = []
    traits: Traits = {}


class AccessListSpec(Model):
    title: str = ""
    description: str = ""
    type: Literal["", "static", "scim"] = ""
    owners: list[Owner] = []
    audit: Audit | None = None
    membership_requires: Requires | None = None
    ownership_requires: Requires | None = None
    grants: Grants | None = None
    owner_grants: Grants | None = None


class AccessList(Resource):
    """Its name is a UUID."""

    KIND: ClassVar[str] = "access_list"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    NAME_GENERATED: ClassVar[bool] = True

    spec: AccessListSpec = msgspec.field(default_factory=AccessListSpec)

    def check_spec(self) -> None:
        spec = self.spec
        require(spec.title, "spec.title is missing")
        require(spec.owners, "spec.owners is empty")
        require(all(owner.name for owner in spec.owners), "spec.owners: name is missing")
        names = [(owner.name, owner.membership_kind) for owner in spec.owners]
        require(len(set(names)) == len(names), "spec.owners: an owner is named twice")
        require(spec.grants and (spec.grants.roles or spec.grants.traits), "spec.grants needs roles or traits")
        if spec.audit is not None:
            spec.audit.next_audit_date = utc(spec.audit.next_audit_date, "spec.audit.next_audit_date")
            if spec.audit.recurrence is not None:
                one_of(spec.audit.recurrence.frequency, FREQUENCIES, "spec.audit.recurrence.frequency")
                one_of(spec.audit.recurrence.day_of_month, DAYS, "spec.audit.recurrence.day_of_month")


class AccessListMemberSpec(Model):
    access_list: str = ""
    name: str = ""
    joined: Instant | None = None
    expires: Instant | None = None
    reason: str = ""
    added_by: str = ""
    membership_kind: MembershipKind = ""


class AccessListMember(Resource):
    """Named like the user or list that belongs; its key is `<list>/<member>`."""

    KIND: ClassVar[str] = "access_list_member"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: AccessListMemberSpec = msgspec.field(default_factory=AccessListMemberSpec)

    @property
    def key(self) -> str:
        return f"{self.spec.access_list}/{self.metadata.name}"

    def check_spec(self) -> None:
        require(self.spec.access_list, "spec.access_list is missing")
        self.spec.name = self.spec.name or self.metadata.name
        self.spec.joined = utc(self.spec.joined, "spec.joined")
        self.spec.expires = utc(self.spec.expires, "spec.expires")


class ReviewChanges(Model):
    membership_requirements_changed: Requires | None = None
    removed_members: StringList = []
    review_frequency_changed: str = ""
    review_day_of_month_changed: Annotated[str, meta(_day)] = ""


class AccessListReviewSpec(Model):
    access_list: str = ""
    reviewers: StringList = []
    review_date: Instant | None = None
    notes: str = ""
    changes: ReviewChanges | None = None


class AccessListReview(Resource):
    """Its key is `<list>/<review>`."""

    KIND: ClassVar[str] = "access_list_review"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: AccessListReviewSpec = msgspec.field(default_factory=AccessListReviewSpec)

    @property
    def key(self) -> str:
        return f"{self.spec.access_list}/{self.metadata.name}"

    def check_spec(self) -> None:
        require(self.spec.access_list, "spec.access_list is missing")
        require(self.spec.reviewers, "spec.reviewers is empty")
        self.spec.review_date = utc(self.spec.review_date, "spec.review_date")
