"""`tctl acl ls|get|audience`, `tctl acl users add|ls|rm`, `tctl acl reviews create|ls`"""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

import msgspec

from teleport.api.routes import access_lists as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.requests import FORMS, moment, time_of, words
from teleport.cli.tctl.connection import connect
from teleport.foundation.clock import SystemClock
from teleport.model.codec import decode_json, to_plain
from teleport.model.resources.access_list import (
    FREQUENCIES,
    AccessList,
    AccessListMember,
    AccessListReview,
)
from teleport.policy.access_lists import is_review_due

_KINDS = {"MEMBERSHIP_KIND_LIST": "list"}


def arguments(parser: Arguments) -> None:
    _formatted(parser.subcommand("ls", "list access lists", _ls))
    getting = _formatted(parser.subcommand("get", "show an access list", _get))
    getting.add_argument("name", metavar="LIST")
    reaching = _formatted(parser.subcommand("audience", "tell whom an access list reaches", _audience))
    reaching.add_argument("name", metavar="LIST")
    users = parser.subcommand("users", "members of an access list", _users_ls)
    users.inherited = parser.inherited
    adding = users.subcommand("add", "add a user or a list to an access list", _users_add)
    adding.add_argument("name", metavar="LIST")
    adding.add_argument("member", metavar="USER")
    adding.add_argument("expires", nargs="?", metavar="EXPIRES", help="until when, RFC 3339")
    adding.add_argument("reason", nargs="?", default="", metavar="REASON", help="why")
    adding.choice("--kind", choices=("user", "list"), default="user", help="what the member is")
    adding.examples("tctl acl users add dbas alice 2027-01-01T00:00:00Z 'on call'")
    removing = users.subcommand("rm", "take a member off an access list", _users_rm)
    removing.add_argument("name", metavar="LIST")
    removing.add_argument("member", metavar="USER")
    listing = _formatted(users.subcommand("ls", "list the members of an access list", _users_ls))
    listing.add_argument("name", metavar="LIST")
    _review_arguments(parser)


def _review_arguments(parser: Arguments) -> None:
    reviews = parser.subcommand("reviews", "reviews of an access list", _reviews_ls)
    reviews.inherited = parser.inherited
    creating = reviews.subcommand("create", "say that you have looked at who is in the list", _reviews_create)
    creating.add_argument("name", metavar="LIST")
    creating.add_argument("--notes", default="", help="what you found")
    creating.add_argument("--remove-members", metavar="USER,...", help="who does not stay")
    creating.choice("--frequency", choices=FREQUENCIES[1:], default="", help="how often from now on")
    creating.choice("--day-of-month", choices=("1", "15", "last"), default="", help="on which day")
    listing = _formatted(reviews.subcommand("ls", "list the reviews of an access list", _reviews_ls))
    listing.add_argument("name", metavar="LIST")


def _formatted(parser: Arguments) -> Arguments:
    parser.choice("--format", choices=FORMS, default="text", help="form of the output")
    return parser


def _ls(options: Namespace) -> int:
    with connect(options) as client:
        found = _all(client)
    if options.format != "text":
        output.show([to_plain(one) for one in found], options.format)
        return 0
    if not found:
        print("no access lists")
        return 0
    now = SystemClock().now()
    rows = [(one.name, one.spec.title, _due(one, now), _grants(one)) for one in found]
    headers = ("ID", "Title", "Next Audit", "Granted Roles")
    print(output.table(headers, rows, columns=output.terminal_columns(), flexible="Granted Roles"))
    return 0


def _all(client: SyncClient) -> list[AccessList]:
    found: list[AccessList] = []
    start = ""
    while True:
        page = client.call(routes.LIST, routes.ListLists(start=start))
        found += [decode_json(one, AccessList) for one in page.lists]
        start = page.next_start
        if not start:
            return found


def _due(found: AccessList, now: datetime) -> str:
    """The day of the next review, and whether it is time for it."""
    audit = found.spec.audit
    if audit is None or audit.next_audit_date is None:
        return ""
    word = " (overdue)" if audit.next_audit_date <= now else " (due)" if is_review_due(found, now) else ""
    return f"{audit.next_audit_date.date().isoformat()}{word}"


def _grants(found: AccessList) -> str:
    return ",".join(found.spec.grants.roles) if found.spec.grants else ""


def _get(options: Namespace) -> int:
    with connect(options) as client:
        shown = client.call(routes.GET, routes.ListName(options.name))
    found = decode_json(shown.access_list, AccessList)
    if options.format != "text":
        output.show(to_plain(found), options.format)
        return 0
    spec = found.spec
    traits = spec.grants.traits if spec.grants else {}
    pairs = [
        ("ID", found.name),
        ("Title", spec.title),
        ("Description", spec.description),
        ("Owners", ", ".join(owner.name for owner in spec.owners)),
        ("Granted Roles", _grants(found)),
        ("Granted Traits", "; ".join(f"{name}: {', '.join(values)}" for name, values in traits.items())),
        ("Next Audit", _due(found, SystemClock().now())),
    ]
    print(output.fields([pair for pair in pairs if pair[1]]))
    return 0


def _audience(options: Namespace) -> int:
    with connect(options) as client:
        people = client.call(routes.AUDIENCE, routes.ListName(options.name)).people
    if options.format != "text":
        output.show(msgspec.to_builtins(people), options.format)
        return 0
    rows = [(one.user, one.role, "yes" if one.has_grants else "no", one.way or one.detail) for one in people]
    headers = ("User", "As", "Has Grants", "Through")
    print(output.table(headers, rows, columns=output.terminal_columns(), flexible="Through"))
    return 0


def _users_add(options: Namespace) -> int:
    request = routes.AddMember(
        name=options.name,
        member=options.member,
        kind=options.kind,
        expires=time_of(options.expires, "EXPIRES"),
        reason=options.reason,
    )
    with connect(options) as client:
        client.call(routes.ADD, request)
    print(f"Added {options.kind} {output.printable(options.member)} to access list {output.printable(options.name)}")
    return 0


def _users_rm(options: Namespace) -> int:
    with connect(options) as client:
        client.call(routes.REMOVE, routes.MemberName(options.name, options.member))
    print(f"Removed {output.printable(options.member)} from access list {output.printable(options.name)}")
    return 0


def _users_ls(options: Namespace) -> int:
    with connect(options) as client:
        shown = client.call(routes.MEMBERS, routes.ListName(options.name)).members
    members = [decode_json(one, AccessListMember) for one in shown]
    if options.format != "text":
        output.show([to_plain(one) for one in members], options.format)
        return 0
    if not members:
        print(f"No members found for access list {output.printable(options.name)}.")
        return 0
    rows = [
        (
            one.spec.name,
            _KINDS.get(one.spec.membership_kind, "user"),
            moment(one.spec.joined),
            moment(one.spec.expires) or "never",
            one.spec.added_by,
            one.spec.reason,
        )
        for one in members
    ]
    headers = ("Member", "Kind", "Joined (UTC)", "Expires (UTC)", "Added By", "Reason")
    print(output.table(headers, rows, columns=output.terminal_columns(), flexible="Reason"))
    return 0


def _reviews_create(options: Namespace) -> int:
    request = routes.ReviewList(
        name=options.name,
        notes=options.notes,
        removed_members=words(options.remove_members),
        frequency=options.frequency,
        day_of_month=options.day_of_month,
    )
    with connect(options) as client:
        shown = client.call(routes.REVIEW, request)
    print(f"Access list {output.printable(options.name)} has been reviewed; next: {shown.next_audit_date.date()}")
    return 0


def _reviews_ls(options: Namespace) -> int:
    with connect(options) as client:
        shown = client.call(routes.REVIEWS, routes.ListName(options.name)).reviews
    reviews = [decode_json(one, AccessListReview) for one in shown]
    if options.format != "text":
        output.show([to_plain(one) for one in reviews], options.format)
        return 0
    rows = [
        (
            one.name,
            ",".join(one.spec.reviewers),
            moment(one.spec.review_date),
            ",".join(one.spec.changes.removed_members) if one.spec.changes else "",
            one.spec.notes,
        )
        for one in reviews
    ]
    headers = ("ID", "Reviewer", "Reviewed At (UTC)", "Removed", "Notes")
    print(output.table(headers, rows, columns=output.terminal_columns(), flexible="Notes"))
    return 0
