"""What `tsh request` and `tctl requests` have in common: tables, details, times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from teleport.api.routes import access_requests as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.foundation import durations
from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_json, to_plain
from teleport.model.resources.access_request import AccessRequest

FORMS = ("text", "json", "yaml")
HEADERS = ("ID", "User", "Roles", "Resources", "Created At (UTC)", "Request TTL", "Session TTL", "Status")


def read(shown: routes.AccessRequestShown) -> AccessRequest:
    return decode_json(shown.request, AccessRequest)


def all_of(client: SyncClient, **criteria: str) -> list[AccessRequest]:
    """Page by page; `criteria` are fields of ListAccessRequests."""
    found: list[AccessRequest] = []
    start = ""
    while True:
        page = client.call(routes.LIST, routes.ListAccessRequests(start=start, **criteria))  # type: ignore[arg-type]
        found += [decode_json(item, AccessRequest) for item in page.requests]
        start = page.next_start
        if not start:
            return found


def show(requests: Sequence[AccessRequest], form: str, now: datetime) -> None:
    if form != "text":
        output.show([to_plain(one) for one in requests], form)
        return
    rows = [_row(one, now) for one in requests]
    print(output.table(HEADERS, rows, columns=output.terminal_columns(), flexible="Resources"))


def _row(request: AccessRequest, now: datetime) -> tuple[str, ...]:
    spec = request.spec
    waits = _left(spec.created, spec.request_ttl.delta if spec.request_ttl else None, now)
    return (
        request.name,
        spec.user,
        ",".join(spec.roles),
        ",".join(str(one) for one in spec.requested_resource_ids) or "[none]",
        moment(spec.created),
        waits if spec.state == "PENDING" else "",
        output.ago(spec.expires - now) if spec.expires else "",
        status_of(request),
    )


def _left(created: datetime | None, ttl: timedelta | None, now: datetime) -> str:
    return output.ago(created + ttl - now) if created and ttl else ""


def moment(value: datetime | None) -> str:
    return value.astimezone(UTC).strftime("%d %b %y %H:%M UTC") if value else ""


def status_of(request: AccessRequest) -> str:
    return request.spec.state


def describe(request: AccessRequest, resources: Iterable[routes.RequestedResource]) -> str:
    """All that is known of it."""
    spec = request.spec
    named = [f"{one.id} ({one.name})" if one.name and one.name not in one.id else one.id for one in resources]
    pairs = [
        ("Request ID", request.name),
        ("Username", spec.user),
        ("Roles", ", ".join(spec.roles)),
        ("Resources", ", ".join(named or map(str, spec.requested_resource_ids))),
        ("Reason", spec.request_reason or "[none]"),
        ("Reviewers", ", ".join(spec.suggested_reviewers) or "[none] (suggested)"),
        ("Created", moment(spec.created)),
        ("Access Expires", moment(spec.expires)),
        ("Assume Start Time", moment(spec.assume_start_time)),
        ("Status", status_of(request)),
        ("Resolve Reason", spec.resolve_reason),
    ]
    told = output.fields([pair for pair in pairs if pair[1]])
    if not spec.reviews:
        return told
    rows = [(one.author, one.proposed_state, one.reason, moment(one.created)) for one in spec.reviews]
    return f"{told}\n\n{output.table(('Reviewer', 'Proposed', 'Reason', 'Created (UTC)'), rows, flexible='Reason')}"


def time_of(text: str | None, flag: str) -> datetime | None:
    """RFC 3339 with a zone. Raises BadParameter naming the flag."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"{flag}={text}: expected RFC 3339, as 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        raise BadParameter(f"{flag}={text}: the zone is missing, add Z for UTC")
    return found


def duration_of(text: str | None) -> timedelta | None:
    return durations.parse(text) if text else None


def words(text: str | None) -> tuple[str, ...]:
    """The parts of a comma list."""
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))
