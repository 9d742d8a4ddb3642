"""`tctl requests ls|get|create|approve|deny|review|rm|capabilities`"""

from __future__ import annotations

from argparse import Namespace

import msgspec

from teleport.api.route import Empty
from teleport.api.routes import access_requests as routes
from teleport.api.routes.cluster import STATUS
from teleport.cli import output, requests
from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.codec import to_plain
from teleport.model.resources.access_request import AccessRequest

_ORDERS = {"created": lambda one: one.spec.created, "state": lambda one: one.spec.state}


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list access requests", _ls)
    listing.choice("--format", choices=requests.FORMS, default="text", help="form of the output")
    listing.choice("--sort-index", choices=tuple(_ORDERS), default="created", help="what to sort by")
    listing.choice("--sort-order", choices=("ascending", "descending"), default="descending", help="direction")
    getting = parser.subcommand("get", "show access requests", _get)
    getting.add_argument("ids", metavar="ID,...")
    getting.choice("--format", choices=requests.FORMS, default="text", help="form of the output")
    for word, text, run in (
        ("approve", "approve access requests", _approve),
        ("deny", "deny access requests", _deny),
    ):
        deciding = parser.subcommand(word, text, run)
        deciding.add_argument("ids", metavar="ID,...")
        deciding.add_argument("--delegator", default="", help="on whose behalf")
        deciding.add_argument("--reason", default="", help="told to the requester")
        deciding.add_argument("--annotations", metavar="K=V,...", default="", help="kept with the decision")
        if word == "approve":
            deciding.add_argument("--roles", metavar="ROLE,...", help="only these of the roles asked for")
            deciding.add_argument("--assume-start-time", metavar="TIME", help="not before this time, RFC 3339")
    _more_arguments(parser)


def _more_arguments(parser: Arguments) -> None:
    creating = parser.subcommand("create", "ask for access in the name of a user", _create)
    creating.add_argument("username", metavar="USER")
    creating.add_argument("--roles", metavar="ROLE,...", help="roles to ask for")
    creating.add_argument("--resource", metavar="ID", action="append", help="a resource to ask for (repeatable)")
    creating.add_argument("--reason", default="", help="why")
    creating.switch("--dry-run", help="only tell what the request would be")
    removing = parser.subcommand("rm", "delete access requests", _rm)
    removing.add_argument("ids", metavar="ID,...")
    removing.switch("-f", "--force", help="kept for scripts")
    telling = parser.subcommand("capabilities", "tell what a user may ask for", _capabilities)
    telling.add_argument("username", metavar="USER")
    telling.choice("--format", choices=requests.FORMS, default="text", help="form of the output")
    reviewing = parser.subcommand("review", "review an access request by your own roles", _review)
    reviewing.add_argument("id", metavar="ID")
    reviewing.add_argument("--author", default="", help="kept for scripts: the author is whoever calls")
    reviewing.switch("--approve", help="you are for it")
    reviewing.switch("--deny", help="you are against it")
    reviewing.add_argument("--reason", default="", help="told to the requester")


def _ls(options: Namespace) -> int:
    with connect(options) as client:
        found = requests.all_of(client)
    found.sort(key=_ORDERS[options.sort_index], reverse=options.sort_order == "descending")
    requests.show(found, options.format, SystemClock().now())
    return 0


def _get(options: Namespace) -> int:
    with connect(options) as client:
        found = [
            requests.read(client.call(routes.GET, routes.GetAccessRequest(id=name)))
            for name in requests.words(options.ids)
        ]
        if options.format != "text":
            output.show([to_plain(one) for one in found], options.format)
            return 0
        told = [
            requests.describe(one, client.call(routes.RESOURCES, routes.AccessRequestId(one.name)).resources)
            for one in found
        ]
    print("\n\n".join(told))
    return 0


def _approve(options: Namespace) -> int:
    start = requests.time_of(options.assume_start_time, "--assume-start-time")
    return _decide(options, "APPROVED", roles=requests.words(options.roles), assume_start_time=start)


def _deny(options: Namespace) -> int:
    return _decide(options, "DENIED")


def _decide(options: Namespace, state: str, **more: object) -> int:
    with connect(options) as client:
        for name in requests.words(options.ids):
            wanted = routes.SetAccessRequestState(
                id=name,
                state=state,
                reason=options.reason,
                delegator=options.delegator,
                annotations=_annotations(options.annotations),
                **more,  # type: ignore[arg-type]
            )
            decided = requests.read(client.call(routes.SET_STATE, wanted))
            print(f"Request {decided.name} is {decided.spec.state.lower()}.")
    return 0


def _annotations(text: str) -> dict[str, tuple[str, ...]]:
    """Raises BadParameter."""
    found: dict[str, tuple[str, ...]] = {}
    for part in requests.words(text):
        name, mark, value = part.partition("=")
        if not mark or not name:
            raise BadParameter(f"--annotations {text!r}: expected k=v pairs separated by commas")
        found[name] = (*found.get(name, ()), value)
    return found


def _create(options: Namespace) -> int:
    wanted = routes.CreateAccessRequest(
        user=options.username,
        roles=requests.words(options.roles),
        resource_ids=tuple(options.resource or ()),
        reason=options.reason,
        dry_run=bool(options.dry_run),
    )
    with connect(options) as client:
        created = requests.read(client.call(routes.CREATE, wanted))
    if options.dry_run:
        output.show([to_plain(created)], "json")
    else:
        print(created.name)
    return 0


def _rm(options: Namespace) -> int:
    with connect(options) as client:
        for name in requests.words(options.ids):
            client.call(routes.DELETE, routes.AccessRequestId(name))
            print(f"Access request {output.printable(name)} has been deleted")
    return 0


def _capabilities(options: Namespace) -> int:
    with connect(options) as client:
        able = client.call(routes.CAPABILITIES, routes.AskCapabilities(user=options.username))
        cluster = client.call(STATUS, Empty()).cluster
    if options.format != "text":
        output.show(msgspec.to_builtins(able), options.format)
        return 0
    pairs = [
        ("Cluster", cluster),
        ("Requestable Roles", ", ".join(able.requestable_roles) or "[none]"),
        ("Search As Roles", ", ".join(able.search_as_roles) or "[none]"),
        ("Suggested Reviewers", ", ".join(able.suggested_reviewers) or "[none]"),
        ("Reason", "required" if able.reason_required else "optional"),
    ]
    print(output.fields(pairs))
    return 0


def _review(options: Namespace) -> int:
    if bool(options.approve) == bool(options.deny):
        raise BadParameter("exactly one of --approve and --deny is needed")
    state = "APPROVED" if options.approve else "DENIED"
    wanted = routes.ReviewAccessRequest(id=options.id, state=state, reason=options.reason)
    with connect(options) as client:
        reviewed: AccessRequest = requests.read(client.call(routes.REVIEW, wanted))
    print(f"Successfully submitted review. Request state: {reviewed.spec.state}")
    return 0
