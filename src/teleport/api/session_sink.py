"""Where hosts that run sessions hand in what they have of them: events, recordings, trackers, leases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from teleport.api.client import Client
from teleport.api.routes import audit, leases, recordings, sessions
from teleport.model.codec import encode_json
from teleport.model.resources.session_tracker import SessionTracker
from teleport.wire.recording import RecordingInfo

UPLOAD_TIMEOUT = 120.0
FINISH_TIMEOUT = 120.0
LEASE_TIMEOUT = 10.0


class SessionSink:
    """What session.emitter, uploader, tracker and leases ask for. `client` is asked for anew by each call."""

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client

    async def send_events(self, events: Sequence[bytes]) -> None:
        await self._client().call(audit.EMIT, audit.EmitEvents(events=tuple(map(msgspec.Raw, events))))

    async def upload(self, sid: str, part_number: int, content: bytes) -> None:
        request = recordings.UploadPart(session_id=sid, number=part_number, content=content)
        await self._client().call(recordings.UPLOAD_PART, request, timeout=UPLOAD_TIMEOUT)

    async def complete(self, sid: str, parts: int, info: RecordingInfo) -> None:
        await self._client().call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=parts))

    async def append(self, sid: str, offset: int, content: bytes) -> None:
        request = recordings.AppendRecording(session_id=sid, offset=offset, content=content)
        await self._client().call(recordings.APPEND, request)

    async def finish(self, sid: str, size: int) -> None:
        request = recordings.FinishRecording(session_id=sid, size=size)
        await self._client().call(recordings.FINISH, request, timeout=FINISH_TIMEOUT)

    async def put(self, tracker: SessionTracker) -> None:
        request = sessions.PutSession(tracker.name, msgspec.Raw(encode_json(tracker)))
        await self._client().call(sessions.PUT, request)

    async def delete(self, sid: str) -> None:
        await self._client().call(sessions.DELETE, sessions.SessionName(sid))

    async def hold_lease(self, kind: str, name: str, lease_id: str, limit: int) -> None:
        request = leases.HoldLease(kind=kind, name=name, lease_id=lease_id, limit=limit)
        await self._client().call(leases.HOLD, request, timeout=LEASE_TIMEOUT)

    async def release_lease(self, kind: str, name: str, lease_id: str) -> None:
        request = leases.ReleaseLease(kind=kind, name=name, lease_id=lease_id)
        await self._client().call(leases.RELEASE, request, timeout=LEASE_TIMEOUT)
