"""Session recordings: hosts upload them in parts or stream them, auditors and participants read them."""

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


class AppendRecording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows the first `offset` bytes of a recording that is streamed: whole parts of it. Safe to repeat.

    Only by the host that runs the session. What is kept never changes; empty content says that it still runs.
    """

    session_id: str
    offset: int
    content: bytes = b""


class BytesKept(msgspec.Struct, frozen=True):
    size: int


class FinishRecording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A streamed recording has `size` bytes and is complete; with 0, auth gives it an end that it lacks."""

    session_id: str
    size: int = 0


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
APPEND = Route(
    "POST",
    "/v1/recordings/{session_id}/stream",
    AppendRecording,
    BytesKept,
    shape=Shape.BODY,
    max_body=MAX_PART,
    summary="Add to a recording while its session runs",
)
FINISH = Route(
    "POST",
    "/v1/recordings/{session_id}/stream/end",
    FinishRecording,
    RecordingStored,
    summary="Finish a recording that was streamed",
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
ROUTES = (UPLOAD_PART, COMPLETE, APPEND, FINISH, LIST, READ)
