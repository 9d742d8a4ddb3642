"""`tsh recordings ls`"""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from typing import Any

from teleport.api.routes import recordings
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client import api_access
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter

_DEFAULT_LIMIT = 50
_DAY = "%Y-%m-%d"


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list recorded sessions, the newest first", _ls)
    add_listing(listing)


def add_listing(parser: Arguments) -> None:
    parser.count("--limit", default=_DEFAULT_LIMIT, metavar="N", help="at most so many")
    parser.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    parser.add_argument("--from-utc", metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--to-utc", metavar="YYYY-MM-DD", help="last day")
    parser.add_argument("--last", metavar="DURATION", help="so far back from now (default 24h)")


def span(options: Namespace, now: datetime) -> tuple[datetime, datetime]:
    """The time asked for. Raises BadParameter when the flags contradict each other."""
    if options.last and (options.from_utc or options.to_utc):
        raise BadParameter("--last excludes --from-utc and --to-utc")
    if not options.from_utc and not options.to_utc:
        return now - durations.parse(options.last or "24h"), now
    end = _day(options.to_utc) + timedelta(days=1) if options.to_utc else now
    start = _day(options.from_utc) if options.from_utc else end - timedelta(days=1)
    if start >= end:
        raise BadParameter("--from-utc is after --to-utc")
    return start, end


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, _DAY).replace(tzinfo=UTC)
    except ValueError:
        raise BadParameter(f"day {text!r}: expected YYYY-MM-DD") from None


def _ls(options: Namespace) -> int:
    with api_access.connect(account_of(options)) as client:
        return show_sessions(client, options)


def show_sessions(client: SyncClient, options: Namespace) -> int:
    start, end = span(options, SystemClock().now())
    sessions = list_sessions(client, options.limit, start, end)
    if options.format != "text":
        output.show(sessions, options.format)
        return 0
    print(output.table(_HEADERS, [_row(session) for session in sessions], columns=None))
    return 0


def list_sessions(client: SyncClient, limit: int, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """The end events of recorded sessions, the newest first."""
    found: list[dict[str, Any]] = []
    key = ""
    while len(found) < limit:
        request = recordings.ListRecordings(start=start, end=end, limit=limit - len(found), start_key=key)
        page = client.call(recordings.LIST, request)
        found += [json.loads(bytes(session)) for session in page.sessions]
        key = page.next_key
        if not key:
            break
    return found


_HEADERS = ("ID", "Type", "Participants", "Hostname", "Timestamp")


def _row(event: dict[str, Any]) -> list[str]:
    people = event.get("participants") or [event.get("user", "")]
    where = event.get("server_hostname") or event.get("server_id", "")
    kind = event.get("proto") or "ssh"
    return [str(event.get("sid", "")), str(kind), ", ".join(map(str, people)), str(where), str(event.get("time", ""))]
