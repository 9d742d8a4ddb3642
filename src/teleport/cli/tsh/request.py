"""`tsh request ls|show|create|review|search|drop`"""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from teleport.api.routes import access_requests as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output, requests
from teleport.cli.arguments import Arguments
from teleport.cli.tsh import status
from teleport.cli.tsh.ls import all_labels
from teleport.cli.tsh.selectors import add_selectors, parse_labels
from teleport.cli.tsh.who import account_of, choice_of
from teleport.client import access_requests, api_access
from teleport.client.account import Account, find
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import AccessDenied, BadParameter, Unsupported
from teleport.model.codec import to_plain
from teleport.model.resources.access_request import AccessRequest


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list access requests", _ls)
    listing.switch("--reviewable", help="those that wait for your review")
    listing.switch("--suggested", help="those that suggest you as reviewer")
    listing.switch("--my-requests", help="your own")
    listing.choice("-f", "--format", choices=requests.FORMS, default="text", help="form of the output")
    showing = parser.subcommand("show", "show one access request", _show)
    showing.add_argument("id", metavar="ID")
    showing.choice("-f", "--format", choices=requests.FORMS, default="text", help="form of the output")
    _create_arguments(parser.subcommand("create", "ask for roles or resources", _create, aliases=("new",)))
    reviewing = parser.subcommand("review", "approve or deny an access request", _review)
    reviewing.add_argument("id", metavar="ID")
    reviewing.switch("--approve", help="you are for it")
    reviewing.switch("--deny", help="you are against it")
    reviewing.add_argument("--promote", metavar="LIST", help="for it, for good: membership of this access list")
    reviewing.add_argument("--reason", default="", help="told to the requester")
    reviewing.add_argument("--assume-start-time", metavar="TIME", help="not before this time, RFC 3339")
    searching = parser.subcommand("search", "look for resources that you can ask for", _search)
    searching.add_argument("--kind", default="node", metavar="KIND", help="node, db, app, kube_cluster ...")
    add_selectors(searching)
    searching.choice("-f", "--format", choices=requests.FORMS, default="text", help="form of the output")
    searching.examples("tsh request search --kind=node env=prod", "tsh request search --kind=node --search=db")
    dropping = parser.subcommand("drop", "give back what you took on", _drop)
    dropping.add_argument("ids", nargs="*", metavar="ID", help="these (default: all)")


def _create_arguments(parser: Arguments) -> None:
    parser.add_argument("--roles", metavar="ROLE,...", help="roles to ask for")
    parser.add_argument("--resource", metavar="ID", action="append", help="a resource to ask for (repeatable)")
    parser.add_argument("--reason", default="", help="why: reviewers read it")
    parser.add_argument("--reviewers", metavar="USER,...", help="who should review it")
    parser.switch("--nowait", help="do not wait for the decision")
    parser.add_argument("--request-ttl", metavar="DURATION", help="how long the request waits for reviews")
    parser.add_argument("--session-ttl", metavar="DURATION", help="how long certificates with it are good")
    parser.add_argument("--max-duration", metavar="DURATION", help="how long the access is wanted")
    parser.add_argument("--assume-start-time", metavar="TIME", help="access begins then, RFC 3339")
    parser.examples(
        "tsh request create --roles=dba --reason='ticket 7'",
        "tsh request create --resource=/example/node/1f5f0b6e --reason='disk is full'",
    )


def _ls(options: Namespace) -> int:
    account = account_of(options)
    scope = "reviewable" if options.reviewable else "mine" if options.my_requests else ""
    with api_access.connect(account) as client:
        found = requests.all_of(client, scope=scope)
    if options.suggested:
        found = [one for one in found if account.user in one.spec.suggested_reviewers]
    requests.show(found, options.format, SystemClock().now())
    if options.format == "text":
        print("\nhint: use 'tsh request show <request-id>' for additional details")
        print("      use 'tsh login --request-id=<request-id>' to login with an approved request")
    return 0


def _show(options: Namespace) -> int:
    with api_access.connect(account_of(options)) as client:
        request = requests.read(client.call(routes.GET, routes.GetAccessRequest(id=options.id)))
        if options.format != "text":
            output.show(to_plain(request), options.format)
            return 0
        told = client.call(routes.RESOURCES, routes.AccessRequestId(options.id))
    print(requests.describe(request, told.resources))
    if request.spec.state == "PROMOTED":
        print("\nhint: this became membership of an access list, use 'tsh login' again to have it")
    elif request.spec.state != "DENIED":
        print("\nhint: use 'tsh login --request-id=<request-id>' to login with an approved request")
    return 0


def _create(options: Namespace) -> int:
    if not options.roles and not options.resource:
        raise BadParameter("at least one of --roles and --resource is needed")
    wanted = routes.CreateAccessRequest(
        roles=requests.words(options.roles),
        resource_ids=tuple(options.resource or ()),
        reason=options.reason,
        suggested_reviewers=requests.words(options.reviewers),
        request_ttl=requests.duration_of(options.request_ttl),
        session_ttl=requests.duration_of(options.session_ttl),
        max_duration=requests.duration_of(options.max_duration),
        assume_start_time=requests.time_of(options.assume_start_time, "--assume-start-time"),
    )
    ask(account_of(options), wanted, options, nowait=bool(options.nowait))
    return 0


def ask(account: Account, wanted: routes.CreateAccessRequest, options: Namespace, *, nowait: bool) -> None:
    """Create the request and, unless `nowait`, wait for the decision and take it on.

    Raises AccessDenied when it is denied.
    """
    with api_access.connect(account) as client:
        print("Creating request...")
        created = requests.read(client.call(routes.CREATE, wanted))
        print(requests.describe(created, ()))
        if nowait or account.profile is None:  # an identity file keeps the access that it was made with
            print(f"\nWhen it is approved: tsh login --request-id={created.name}")
            return
        print("\nWaiting for request approval...", flush=True)
        decided = access_requests.wait_for_decision(client, created.name)
    told = f": {output.printable(decided.spec.resolve_reason)}" if decided.spec.resolve_reason else ""
    if decided.spec.state == "DENIED":
        raise AccessDenied(f"request {decided.name} was denied{told}")
    if decided.spec.state == "PROMOTED":
        print(f"\nRequest {decided.name} was promoted to an access list: log in again to have it{told}.")
        return
    print(f"\nApproval received{told}.")
    assume(account, decided, options)


def assume(account: Account, request: AccessRequest, options: Namespace) -> None:
    """Take an approved request on, at the moment it begins, and show the login that came of it."""
    if request.spec.assume_start_time is not None:
        print(f"Access begins at {output.local_time(request.spec.assume_start_time)}.", flush=True)
        access_requests.wait_for_start(request, time.sleep)
    print("Getting updated certificates...\n")
    access_requests.reissue(account, (request.name,), agent=options.add_keys_to_agent or "auto")
    status.print_account(find(choice_of(options)._replace(proxy=account.host, cluster="")))


def _review(options: Namespace) -> int:
    chosen = {"APPROVED": options.approve, "DENIED": options.deny, "PROMOTED": options.promote}
    states = [state for state, given in chosen.items() if given]
    if len(states) != 1:
        raise BadParameter("exactly one of --approve, --deny and --promote is needed")
    review = routes.ReviewAccessRequest(
        id=options.id,
        state=states[0],
        access_list=options.promote or "",
        reason=options.reason,
        assume_start_time=requests.time_of(options.assume_start_time, "--assume-start-time"),
    )
    with api_access.connect(account_of(options)) as client:
        reviewed = requests.read(client.call(routes.REVIEW, review))
    print(f"Successfully submitted review.  Request state: {reviewed.spec.state}")
    return 0


def _search(options: Namespace) -> int:
    account = account_of(options)
    with api_access.connect(account) as client:
        found = [item for page in _pages(client, options) for item in page]
    ids = [f"/{account.cluster}/{item['kind']}/{item['metadata']['name']}" for item in found]
    if options.format != "text":
        output.show([{"id": name, "resource": item} for name, item in zip(ids, found, strict=True)], options.format)
        return 0
    rows = [
        (_name(item), output.labels(all_labels(item), internal=False), name)
        for name, item in zip(ids, found, strict=True)
    ]
    print(output.table(("Name", "Labels", "Resource ID"), rows, columns=output.terminal_columns()))
    if ids:
        flags = " ".join(f"--resource {name}" for name in ids[:20])
        print("\nTo request access to these resources, run")
        print(f"> tsh request create {flags} \\\n    --reason <request reason>")
    return 0


def _pages(client: SyncClient, options: Namespace) -> Any:
    import json

    start = ""
    while True:
        wanted = routes.SearchResources(
            kind=options.kind,
            start=start,
            search=" ".join(requests.words(options.search)),
            query=options.query or "",
            labels=parse_labels(options.labels) if options.labels else {},
        )
        page = client.call(routes.SEARCH, wanted)
        yield [json.loads(bytes(item)) for item in page.items]
        start = page.next_start
        if not start:
            return


def _name(item: dict[str, Any]) -> str:
    return str(item.get("spec", {}).get("hostname") or item["metadata"]["name"])


def _drop(options: Namespace) -> int:
    account = account_of(options)
    active = account.record.active_requests
    if not active:
        print("No access requests are active.")
        return 0
    if account.profile is None:
        raise Unsupported("an identity file keeps the access requests it was made with")
    if unknown := [name for name in options.ids if name not in active]:
        raise BadParameter(f"access request {unknown[0]!r} is not active")
    access_requests.reissue(account, drop=tuple(options.ids) or ("*",), agent=options.add_keys_to_agent or "auto")
    status.print_account(find(choice_of(options)._replace(proxy=account.host, cluster="")))
    return 0
