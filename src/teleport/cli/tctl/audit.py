"""`tctl audit ls`: search and follow the audit log."""

from __future__ import annotations

import difflib
import json
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from teleport.api.routes import audit as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.cli.tctl.users import words
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.events import catalog

_PAGE = 500
_HEADERS = ("Time (UTC)", "Event", "Code", "User", "Description")
_SHOWN = (
    "server_hostname",
    "login",
    "sid",
    "name",
    "roles",
    "method",
    "command",
    "path",
    "error",
    "message",
    "reason",
)


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list audit events, the oldest first", _ls)
    listing.add_argument(
        "--from", "--from-utc", dest="start", metavar="TIME", help="from this time on, RFC 3339 or YYYY-MM-DD"
    )
    listing.add_argument("--to", "--to-utc", dest="end", metavar="TIME", help="up to this time")
    listing.add_argument("--last", metavar="DURATION", help="so far back from now (default 24h)")
    listing.add_argument("--type", metavar="EVENT,...", default="", help="events of these types only")
    listing.add_argument("--user", metavar="NAME", default="", help="events of this user only")
    listing.add_argument("--session-id", metavar="ID", default="", help="events of this session only")
    listing.add_argument("--search", metavar="WORDS", default="", help="words that must occur")
    listing.count("--limit", default=1000, metavar="N", help="at most so many, the newest")
    listing.switch("-f", "--follow", help="go on with events as they come")
    listing.choice("--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    listing.examples("tctl audit ls --last=1h --type=session.start,session.end", "tctl audit ls -f --format=json")


def _ls(options: Namespace) -> int:
    start, end = _span(options)
    with connect(options) as client:
        if options.follow:
            return _follow(client, options, start)
        events = list(_search(client, options, start, end))[::-1]
    if options.format != "text":
        output.show(events, options.format)
        return 0
    print(output.table(_HEADERS, [row(event) for event in events], columns=_columns(), flexible="Description"))
    return 0


def _types(options: Namespace) -> tuple[str, ...]:
    """Raises BadParameter with the names that come near, so that a slip of the pen is not read as silence."""
    types = words(options.type)
    known = {name for name, _ in catalog.EVENTS}
    if unknown := next((name for name in types if name not in known), ""):
        near = difflib.get_close_matches(unknown, known, 3)
        hint = f", near: {', '.join(near)}" if near else ""
        raise BadParameter(f"--type: no event is called {unknown!r}{hint}")
    return types


def _span(options: Namespace) -> tuple[datetime | None, datetime | None]:
    if options.last and (options.start or options.end):
        raise BadParameter("--last excludes --from and --to")
    if options.start or options.end:
        return _moment(options.start), _moment(options.end)
    if options.follow and not options.last:
        return None, None
    return SystemClock().now() - durations.parse(options.last or "24h"), None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"time {text!r}: expected RFC 3339 or YYYY-MM-DD") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _search(
    client: SyncClient, options: Namespace, start: datetime | None, end: datetime | None
) -> Iterator[dict[str, Any]]:
    """The newest first, as many as asked for."""
    key, left = "", options.limit
    while left > 0:
        request = routes.SearchEvents(
            start=start,
            end=end,
            types=_types(options),
            user=options.user,
            session_id=options.session_id,
            search=options.search,
            limit=min(left, _PAGE),
            start_key=key,
        )
        page = client.call(routes.SEARCH, request)
        yield from (json.loads(bytes(event)) for event in page.events)
        left -= len(page.events)
        key = page.next_key
        if not key:
            return


def _follow(client: SyncClient, options: Namespace, start: datetime | None) -> int:
    """Until the user ends it. JSON comes as one event a line here."""
    request = routes.FollowEvents(start=start, types=_types(options), user=options.user)
    for line in client.lines(routes.FOLLOW, request):
        event = json.loads(bytes(line.event))
        if options.format == "json":
            print(output.as_json(event, None), flush=True)
        elif options.format == "yaml":
            print(f"---\n{output.as_yaml(event)}", flush=True)
        else:
            print("  ".join(output.printable(cell) for cell in row(event)), flush=True)
    return 0


def _columns() -> int | None:
    return output.terminal_columns()


def row(event: dict[str, Any]) -> tuple[str, str, str, str, str]:
    """Time, event, code, user and what else tells most."""
    time = str(event.get("time", "")).partition(".")[0].replace("T", " ").rstrip("Z")
    details = []
    for name in _SHOWN:
        value = event.get(name)
        if value not in (None, "", [], {}):
            details.append(f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}")
    return (
        time,
        str(event.get("event", "")),
        str(event.get("code", "")),
        str(event.get("user", "")),
        " ".join(details),
    )
