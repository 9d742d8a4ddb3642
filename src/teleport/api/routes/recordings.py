"""Session recordings: hosts upload them in numbered parts, auditors and participants read them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.route import MAX_PART, Route, Shape


class UploadPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part `number` (from 1) of a recording; sent again it replaces what was sent. Only by the host that runs it."""

    session_id: str
    number: int
    content: bytes = b""


class PartStored(msgspec.Struct, frozen=True):
    number: int
    size: int


class CompleteRecording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No part is missing: join parts 1 to `parts` into the recording. Safe to repeat."""

    session_id: str
    parts: int


class RecordingStored(msgspec.Struct, frozen=True):
    session_id: str
    size: int


class ListRecordings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sessions that ended between `start` and `end` (default the last day), newest first."""

    start: datetime | None = None
    end: datetime | None = None
    user: str = ""
    limit: int = 0
    start_key: str = ""


class RecordingPage(msgspec.Struct, frozen=True):
    """Each is the session's end event."""

    sessions: tuple[msgspec.Raw, ...] = ()
    next_key: str = ""


class ReadRecording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`offset` bytes are passed over, to go on after a broken download. `format` is told in the audit event."""

    session_id: str
    offset: int = 0
    format: str = "pty"


class RecordingBytes(msgspec.Struct, frozen=True):
    """Stands for the bytes of the stream."""

    content: bytes = b""


UPLOAD_PART = Route(
    "POST",
    "/v1/recordings/{session_id}/parts",
    UploadPart,
    PartStored,
    shape=Shape.BODY,
    max_body=MAX_PART,
    summary="Upload one part of a recording",
)
COMPLETE = Route(
    "POST",
    "/v1/recordings/{session_id}/complete",
    CompleteRecording,
    RecordingStored,
    summary="Finish the upload of a recording",
)
LIST = Route("GET", "/v1/recordings", ListRecordings, RecordingPage, summary="List recorded sessions")
READ = Route(
    "GET",
    "/v1/recordings/{session_id}",
    ReadRecording,
    RecordingBytes,
    shape=Shape.DOWNLOAD,
    summary="Read a recording",
)
ROUTES = (UPLOAD_PART, COMPLETE, LIST, READ)
