"""`tsh sessions ls`: what goes on now, of all that you may join or know of."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from teleport.api.routes import sessions
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client import api_access
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_json, to_plain
from teleport.model.resources.session_tracker import SESSION_KINDS, SessionTracker

_HEADERS = ("ID", "Kind", "Created", "User", "Target", "Address")
_NOTES = "Command/Reason"


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list running sessions, the newest first", _ls)
    add_listing(listing)
    listing.examples("tsh sessions ls --kind=ssh")


def add_listing(listing: Arguments) -> None:
    listing.add_argument(
        "--kind", default="ssh,k8s,db,app,desktop", metavar="KINDS", help="ssh, k8s, db, app, desktop"
    )
    listing.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")


def _ls(options: Namespace) -> int:
    with api_access.connect(account_of(options)) as client:
        return show_running(client, options)


def show_running(client: SyncClient, options: Namespace) -> int:
    kinds = tuple(options.kind.split(","))
    unknown = [kind for kind in kinds if kind not in SESSION_KINDS]
    if unknown:
        raise BadParameter(f"--kind {unknown[0]!r}: there are {', '.join(SESSION_KINDS)}")
    found = [tracker for tracker in all_of(client) if tracker.spec.kind in kinds]
    found.sort(key=lambda tracker: tracker.spec.created.timestamp() if tracker.spec.created else 0.0, reverse=True)
    if options.format != "text":
        output.show([to_plain(tracker) for tracker in found], options.format)
        return 0
    rows = [_row(tracker, SystemClock().now()) for tracker in found]
    if any(row[-1] for row in rows):
        print(output.table((*_HEADERS, _NOTES), rows, columns=output.terminal_columns(), flexible=_NOTES))
    else:
        print(output.table(_HEADERS, [row[:-1] for row in rows], columns=output.terminal_columns()))
    return 0


def all_of(client: SyncClient) -> list[SessionTracker]:
    """Page by page."""
    found: list[SessionTracker] = []
    start = ""
    while True:
        page = client.call(sessions.LIST, sessions.ListSessions(start=start))
        found += [decode_json(item, SessionTracker) for item in page.sessions]
        start = page.next_start
        if not start:
            return found


def _row(tracker: SessionTracker, now: datetime) -> list[str]:
    spec = tracker.spec
    created = f"{output.ago(now - spec.created)} ago" if spec.created else ""
    target = f"{spec.login}@{spec.hostname}" if spec.login else spec.hostname
    what = " ".join(spec.initial_command) or spec.reason
    if spec.state == "pending":
        what = f"{what} (waits)".strip()
    if spec.invited:
        what = f"{what} (invited: {', '.join(spec.invited)})".strip()
    return [tracker.name, spec.kind, created, spec.host_user, target, spec.address, what]
