"""The audit log over the API: hosts hand in what happened on them, people read what they may.

A host speaks for itself alone: of the kinds of event that its duties bring, about its own sessions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from teleport.api.routes.audit import EmitEvents, EventLine, EventPage, EventsAccepted, FollowEvents, SearchEvents
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.session_owners import TOLD_BY_HOSTS, SessionOwners
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import BadParameter, LimitExceeded
from teleport.foundation.logs import get_logger
from teleport.model.events.catalog import EVENTS
from teleport.model.events.trimming import MAX_EVENT
from teleport.model.resources.node import Node
from teleport.model.resources.session_recording_config import SessionRecordingConfig
from teleport.policy.actions import ActionContext
from teleport.storage.audit_search import MAX_LIMIT, EventQuery

log = get_logger("auth.audit")

MAX_BATCH = 1000
DEFAULT_LIMIT = 500
_AHEAD = timedelta(minutes=5)
_DEFAULT_WINDOW = timedelta(days=1)

# system role -> the events that its work brings; everything else is auth's own to write
_MAY_EMIT: dict[str, frozenset[str]] = {
    "Node": TOLD_BY_HOSTS,
    "Proxy": TOLD_BY_HOSTS | {"session.connect"},
}
# whoever reads the log by codes must not be told of a login by an event of a session
_TYPES = {code: kind for kind, code in EVENTS}


class Audit:
    """Emit, search, follow."""

    def __init__(self, cluster: Cluster, guard: Guard) -> None:
        self._cluster = cluster
        self._guard = guard
        self._owners = SessionOwners(cluster)

    async def emit(self, caller: Caller, request: EmitEvents) -> EventsAccepted:
        """All of the batch or nothing. Raises AccessDenied when one event is not this host's to tell."""
        if len(request.events) > MAX_BATCH:
            raise LimitExceeded(f"a batch has at most {MAX_BATCH} events, this one has {len(request.events)}")
        await self._guard.require(caller, "create", "event", host_id=caller.host_id)
        now = self._cluster.clock.now()
        owners: dict[str, str] = {}
        lines = [msgspec.json.encode(await self._checked(caller, raw, now, owners)) for raw in request.events]
        if lines:
            await self._cluster.audit_log.emit_lines(lines)
        return EventsAccepted(accepted=len(lines))

    async def _checked(
        self, caller: Caller, raw: msgspec.Raw, now: datetime, owners: dict[str, str]
    ) -> dict[str, object]:
        if len(bytes(raw)) > MAX_EVENT:
            raise LimitExceeded(f"an event may have {MAX_EVENT} bytes, this one has {len(bytes(raw))}")
        try:
            event = msgspec.json.decode(raw, type=dict[str, object])
            envelope = msgspec.convert(event, _Envelope)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadParameter(f"event: {error}") from error
        if not caller.is_admin:
            await self._check_own(caller, envelope, owners)
            # what a proxy tells of a node that it leads people to, or serves, names both
            event.pop("forwarded_by", None)
            event["forwarded_by" if self._is_about_node(caller, envelope) else "server_id"] = caller.host_id
        event["cluster_name"] = self._cluster.name
        event.setdefault("uid", new_uuid())
        if envelope.time is None or envelope.time > now + _AHEAD:
            event["time"] = now  # a clock that runs ahead must not hide events from whoever reads up to now
        return event

    async def _check_own(self, caller: Caller, envelope: _Envelope, owners: dict[str, str]) -> None:
        role = caller.system_role
        if envelope.event not in _MAY_EMIT.get(role, frozenset()):
            await self._guard.refuse(caller, f"a {role} does not emit events of type {envelope.event!r}")
        if _TYPES.get(envelope.code, envelope.event) != envelope.event:
            await self._guard.refuse(caller, f"code {envelope.code!r} is not of events of type {envelope.event!r}")
        is_served = await self._is_served(caller, envelope, owners)
        server = envelope.server_id.removesuffix(f".{self._cluster.name}")
        if not is_served and server not in ("", caller.host_id):
            await self._guard.refuse(
                caller, "a host emits events about itself alone", f"event {envelope.event} of {envelope.server_id!r}"
            )
        if envelope.sid and await self._owner(envelope.sid, owners) not in ("", caller.host_id):
            await self._guard.refuse(
                caller, "the session runs on another host", f"event {envelope.event} of session {envelope.sid!r}"
            )

    @staticmethod
    def _is_about_node(caller: Caller, envelope: _Envelope) -> bool:
        return caller.system_role == "Proxy" and bool(envelope.server_id) and envelope.server_id != caller.host_id

    async def _is_served(self, caller: Caller, envelope: _Envelope, owners: dict[str, str]) -> bool:
        """Whether it is about a node that this proxy leads people to, or serves in its agent's stead."""
        if not self._is_about_node(caller, envelope):
            return False
        if envelope.event == "session.connect":
            return True
        if envelope.sid and await self._owner(envelope.sid, owners) == caller.host_id:
            return True
        node = await self._cluster.store.find(Node, envelope.server_id)
        if node is None:
            return False
        return node.is_openssh or (await self._cluster.store.get_singleton(SessionRecordingConfig)).spec.at_proxy

    async def _owner(self, session_id: str, owners: dict[str, str]) -> str:
        if session_id not in owners:
            owners[session_id] = await self._owners.of(session_id)
        return owners[session_id]

    async def search(self, caller: Caller, request: SearchEvents) -> EventPage:
        """Events that the caller may read, oldest or newest first."""
        await self._require_reading(caller)
        query = self.query(request)
        page = await self._cluster.audit_log.search(query)
        return EventPage(tuple(msgspec.Raw(line) for line in page.lines), page.next_key)

    def query(self, request: SearchEvents) -> EventQuery:
        """Raises BadParameter."""
        now = self._cluster.clock.now()
        end = request.end or now + _AHEAD
        start = request.start or min(now, end) - _DEFAULT_WINDOW
        limit = request.limit or DEFAULT_LIMIT
        if not 0 < limit <= MAX_LIMIT:
            raise BadParameter(f"limit is {limit}, expected 1 to {MAX_LIMIT}")
        if start.tzinfo is None or end.tzinfo is None or start > end:
            raise BadParameter("start and end are moments with a time zone, start before end")
        words = request.search.casefold().split()
        return EventQuery(
            start=start,
            end=end,
            types=frozenset(request.types),
            user=request.user,
            session_id=request.session_id,
            order=_order(request.order),
            limit=limit,
            start_key=request.start_key,
            accept=(lambda line: _has_all(line, words)) if words else None,
        )

    async def follow(self, caller: Caller, request: FollowEvents) -> AsyncIterator[EventLine]:
        """Events as they are kept, without end."""
        await self._require_reading(caller)
        return self._follow(request)

    async def _follow(self, request: FollowEvents) -> AsyncIterator[EventLine]:
        after = self._cluster.audit_log.position
        seen: set[str] = set()
        if request.start is not None:
            async for line in self._since(request):
                seen.add(_uid(line))
                yield EventLine(msgspec.Raw(line))
        async for _, line in self._cluster.audit_log.follow(after, frozenset(request.types)):
            uid = _uid(line)
            if uid in seen:
                seen.discard(uid)  # told already, by the search that ran while it was kept
            elif not request.user or _user(line) == request.user:
                yield EventLine(msgspec.Raw(line))

    async def _since(self, request: FollowEvents) -> AsyncIterator[bytes]:
        key = ""
        while True:
            asked = SearchEvents(
                start=request.start, types=request.types, user=request.user, order="asc", start_key=key
            )
            page = await self._cluster.audit_log.search(self.query(asked))
            for line in page.lines:
                yield line
            key = page.next_key
            if not key:
                return

    async def _require_reading(self, caller: Caller) -> None:
        context = ActionContext()
        for verb in ("list", "read"):
            await self._guard.enforce(caller, self._guard.decide(caller, verb, "event", context))


class _Envelope(msgspec.Struct, frozen=True):
    """What is looked at in an event that is handed in."""

    event: str
    code: str = ""
    uid: str = ""
    time: datetime | None = None
    sid: str = ""
    server_id: str = ""


class _Told(msgspec.Struct, frozen=True):
    uid: str = ""
    user: str = ""


def _uid(line: bytes) -> str:
    return msgspec.json.decode(line, type=_Told).uid


def _user(line: bytes) -> str:
    return msgspec.json.decode(line, type=_Told).user


def _has_all(line: bytes, words: list[str]) -> bool:
    text = line.decode(errors="replace").casefold()
    return all(word in text for word in words)


def _order(text: str) -> Literal["asc", "desc"]:
    if text == "asc":
        return "asc"
    if text in ("", "desc"):
        return "desc"
    raise BadParameter(f"order {text!r}: expected asc or desc")
