"""Session recordings over the API: hosts that run sessions hand them in, auditors and participants read them.

A stream whose host falls silent is given its end here, and what the host did not tell of that is told.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec

from teleport.api.routes.audit import SearchEvents
from teleport.api.routes.recordings import (
    AppendRecording,
    BytesKept,
    CompleteRecording,
    FinishRecording,
    ListRecordings,
    PartStored,
    ReadRecording,
    RecordingPage,
    RecordingStored,
    UploadPart,
)
from teleport.auth.audit import Audit
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.session_owners import AS_LONG_AS_THE_LOG, SessionOwners
from teleport.auth.settings import STREAM_SILENCE, UPLOAD_GRACE
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.events.base import SESSION_UPLOAD_INDEX
from teleport.model.events.session import RecordingAccessed, SessionUploaded
from teleport.model.resources.service_heartbeats import ProxyServer
from teleport.model.resources.session_tracker import SessionTracker
from teleport.policy.actions import ActionContext
from teleport.session.recording_spool import RecoveredSession
from teleport.session.recovery import ended_sessions
from teleport.storage.audit_log import EventQuery
from teleport.storage.recordings import Upload

log = get_logger("auth.recordings")

_END_TYPES = ("session.end", "db.session.end", "windows.desktop.session.end")
_START_TYPES = ("session.start", "db.session.start", "windows.desktop.session.start")
_UPLOADERS = ("Node", "Proxy", "App", "Db", "Kube", "WindowsDesktop")


class Recordings:
    """Uploads and downloads."""

    def __init__(self, cluster: Cluster, guard: Guard, audit: Audit) -> None:
        self._cluster = cluster
        self._guard = guard
        self._audit = audit
        self._store = cluster.recordings
        self._owners = SessionOwners(cluster)
        self._since = cluster.clock.now()
        """Hosts may have tried in vain to be heard before."""

    async def append(self, caller: Caller, request: AppendRecording) -> BytesKept:
        """Kept when answered. Raises AccessDenied for a session of another host, AlreadyExists when it has an end."""
        await self._check_uploader(caller, request.session_id)
        if request.offset == 0:
            await self._store.begin(request.session_id, caller.host_id, is_stream=True)
        size = await self._store.append(request.session_id, request.offset, request.content, caller.host_id)
        return BytesKept(size)

    async def finish(self, caller: Caller, request: FinishRecording) -> RecordingStored:
        """The event of the upload is emitted once. Raises NotFound when nothing came that can be played."""
        await self._check_uploader(caller, request.session_id)
        if await self._store.exists(request.session_id):
            recording = await self._store.get(request.session_id)
            return RecordingStored(request.session_id, recording.size)
        upload = await self._store.upload(request.session_id)
        if request.size and upload.size != request.size:
            raise BadParameter(f"{upload.size} bytes arrived, {request.size} are said to exist")
        if not request.size:
            await self._end_stream(upload)
        recording = await self._store.complete(request.session_id, owner=caller.host_id)
        await self._record_upload(request.session_id, caller.host_id)
        return RecordingStored(request.session_id, recording.size)

    async def upload_part(self, caller: Caller, request: UploadPart) -> PartStored:
        """Kept when answered. Raises AccessDenied for a session of another host."""
        await self._check_uploader(caller, request.session_id)
        await self._store.begin(request.session_id, caller.host_id)
        await self._store.put_part(request.session_id, request.number, request.content, caller.host_id)
        return PartStored(request.number, len(request.content))

    async def complete(self, caller: Caller, request: CompleteRecording) -> RecordingStored:
        """Join the parts; the event of the upload is emitted once."""
        await self._check_uploader(caller, request.session_id)
        was_there = await self._store.exists(request.session_id)
        if not was_there:
            upload = await self._store.upload(request.session_id)
            if len(upload.parts) != request.parts:
                raise BadParameter(f"{len(upload.parts)} parts arrived, {request.parts} are said to exist")
        recording = await self._store.complete(request.session_id, owner=caller.host_id)
        if not was_there:
            await self._record_upload(request.session_id, caller.host_id)
        return RecordingStored(request.session_id, recording.size)

    async def list(self, caller: Caller, request: ListRecordings) -> RecordingPage:
        """Sessions that ended and that the caller may see, newest first."""
        for verb in ("list", "read"):
            await self._guard.enforce(caller, self._guard.may_list(caller, verb, "session"))
        self._refuse_hosts(caller)
        query = self._audit.query(
            SearchEvents(
                start=request.start,
                end=request.end,
                types=_END_TYPES,
                user=request.user,
                limit=request.limit,
                start_key=request.start_key,
                order="desc",
            )
        )
        seen = msgspec.structs.replace(query, accept=lambda line: self._may_see(caller, line))
        page = await self._cluster.audit_log.search(seen)
        return RecordingPage(tuple(msgspec.Raw(line) for line in page.lines), page.next_key)

    async def read(self, caller: Caller, request: ReadRecording) -> AsyncIterator[bytes]:
        """The recording's bytes. Reading is recorded itself."""
        await self._guard.enforce(caller, self._guard.may_list(caller, "read", "session"))
        self._refuse_hosts(caller)
        session = await self._session(request.session_id)
        decision = self._guard.decide(caller, "read", "session", ActionContext(session=session))
        if not decision.allowed:
            try:
                await self._guard.refuse(caller, decision.message_for_user(), decision.message_for_administrator())
            except AccessDenied as denied:
                raise NotFound("there is no such recording", event_id=denied.event_id) from None
        try:
            recording = await self._store.get(request.session_id)
        except (NotFound, BadParameter):
            raise NotFound("there is no such recording") from None
        if not 0 <= request.offset <= recording.size:
            raise BadParameter(f"offset is {request.offset}, the recording has {recording.size} bytes")
        event = RecordingAccessed(
            sid=request.session_id, session_type="ssh", format=request.format[:16], **caller.event_fields()
        )
        await self._cluster.journal.record(event)
        return self._store.open(request.session_id, request.offset)

    async def complete_abandoned(self) -> int:
        """Finish uploads whose host fell silent: no tracker any more, nothing new for a while. How many."""
        now, done = self._cluster.clock.now(), 0
        for upload in await self._store.uploads():
            if not await self._is_abandoned(upload, now):
                continue
            try:
                if upload.is_stream:
                    await self._end_stream(upload)
                await self._store.complete(upload.session_id, partial=True)
                await self._record_upload(upload.session_id, upload.owner)
                done += 1
            except TeleportError as error:
                log.warning("abandoned upload not completed", session=upload.session_id, error=error)
        return done

    async def _is_abandoned(self, upload: Upload, now: datetime) -> bool:
        if upload.is_stream:
            return now - max(upload.changed, self._since) >= STREAM_SILENCE
        is_running = await self._cluster.store.find(SessionTracker, upload.session_id) is not None
        return not is_running and now - upload.changed >= UPLOAD_GRACE

    async def _end_stream(self, upload: Upload) -> None:
        """Its recorder died: give it an end, and tell the session's. Raises NotFound when nothing can be played."""
        sid, store = upload.session_id, self._cluster.store
        mended = await self._store.mend(sid, self._cluster.clock.now(), "the host fell silent while the session ran")
        if mended is None:
            await self._store.abandon(sid)
            raise NotFound(f"of recording {sid} nothing came that can be played")
        if mended.end.recovered:
            tracker = await store.find(SessionTracker, sid)
            present = [one.user for one in tracker.spec.participants] if tracker is not None else []
            people = tuple(dict.fromkeys((*mended.end.participants, *present)))
            # what the host wrote into its recording does not speak for other sessions or hosts
            info = msgspec.structs.replace(mended.info, sid=sid)
            if await store.find(ProxyServer, upload.owner) is None:
                info = msgspec.structs.replace(info, server_id=upload.owner)
            ended = RecoveredSession(info, mended.end, people, is_streamed=True)
            for event in ended_sessions([ended], self._cluster.name):
                event.forwarded_by = upload.owner if upload.owner != info.server_id else ""
                await self._cluster.journal.record(event)
        with contextlib.suppress(NotFound):
            await store.delete(SessionTracker, sid)

    def _may_see(self, caller: Caller, line: bytes) -> bool:
        try:
            context = ActionContext(session=msgspec.json.decode(line, type=dict[str, object]))
        except msgspec.DecodeError:
            return False
        return all(self._guard.allows(caller, verb, "session", context) for verb in ("list", "read"))

    def _refuse_hosts(self, caller: Caller) -> None:
        if not caller.is_person and not caller.is_admin:
            raise AccessDenied("hosts upload recordings and read none")

    async def _check_uploader(self, caller: Caller, session_id: str) -> None:
        identity = caller.known()
        if identity.system_role not in _UPLOADERS:
            await self._guard.refuse(caller, "only the host that runs a session uploads its recording")
        owner = await self._owners.of(session_id)
        await self._guard.require(caller, "create", "session", name=session_id, host_id=owner or identity.host_id)

    async def _session(self, session_id: str) -> dict[str, object]:
        """What rules call `session`: the end event, or while there is none the start."""
        found = await self._event(session_id, _END_TYPES) or await self._event(session_id, _START_TYPES)
        return found or {}

    async def _event(self, session_id: str, types: tuple[str, ...]) -> dict[str, object] | None:
        now = self._cluster.clock.now()
        query = EventQuery(
            start=now - AS_LONG_AS_THE_LOG,
            end=now + timedelta(minutes=5),
            types=frozenset(types),
            session_id=session_id,
            order="desc",
            limit=1,
        )
        page = await self._cluster.audit_log.search(query)
        return msgspec.json.decode(page.lines[0], type=dict[str, object]) if page.lines else None

    async def _record_upload(self, session_id: str, host_id: str) -> None:
        event = SessionUploaded(
            sid=session_id, ei=SESSION_UPLOAD_INDEX, server_id=host_id, url=f"/v1/recordings/{session_id}"
        )
        await self._cluster.journal.record(event)
