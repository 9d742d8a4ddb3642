"""Session recordings: uploaded in numbered parts or streamed while they grow, never overwritten."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from teleport.foundation.errors import BadParameter, LimitExceeded
from teleport.storage.recording_mending import MendedRecording

MAX_PART_BYTES = 64 * 1024 * 1024
MAX_PARTS = 10_000
MAX_STREAM_BYTES = 40 << 30
PIECE_BYTES = 256 * 1024

_SESSION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Recording(Struct, frozen=True):
    """A complete one."""

    session_id: str
    size: int
    completed: datetime


class Upload(Struct, frozen=True):
    """One that was begun and is not complete. `changed` is when its host last sent something, or began it."""

    session_id: str
    owner: str
    parts: tuple[int, ...]
    size: int
    changed: datetime
    is_stream: bool = False


class RecordingStore(Protocol):
    """Where recordings are kept. Session ids are UUIDs in lower case, anything else is BadParameter.

    `owner` is the host that uploads: who did not begin an upload is refused with AccessDenied; None is the cluster
    itself. What returned is on disk. Any method raises Unavailable when the storage is full or fails.
    """

    async def begin(self, session_id: str, owner: str, *, is_stream: bool = False) -> None:
        """Again by its owner: nothing happens. Raises AlreadyExists when the recording is complete.

        Raises BadParameter when it was begun the other way: as a stream, or in parts.
        """
        ...

    async def append(self, session_id: str, offset: int, content: bytes, owner: str) -> int:
        """Add to a stream what follows its first `offset` bytes. Returns how many bytes are kept now.

        The same again: nothing happens, nor with nothing to add, but its owner has been heard. What is kept never
        changes. Raises NotFound unless begun as a stream, AlreadyExists when complete, BadParameter when bytes before
        `offset` are missing, others are kept in their place, or there would be more than `MAX_STREAM_BYTES`.
        """
        ...

    async def mend(self, session_id: str, now: datetime, reason: str) -> MendedRecording | None:
        """Give a stream an end, where its host gave none. None when nothing of it can be played. Raises NotFound."""
        ...

    async def put_part(self, session_id: str, number: int, content: bytes, owner: str | None = None) -> None:
        """The same number again replaces the part; numbers are 1 to 10,000.

        Raises NotFound unless begun, AlreadyExists when complete, BadParameter also for a stream, LimitExceeded above
        64 MiB.
        """
        ...

    async def complete(self, session_id: str, *, owner: str | None = None, partial: bool = False) -> Recording:
        """Join the parts in order of their numbers. Again: the recording as it is.

        Raises NotFound, and BadParameter if there is no part or a number is missing; `partial` allows holes.
        """
        ...

    async def abandon(self, session_id: str, owner: str | None = None) -> None:
        """Throw an incomplete upload away. Raises NotFound."""
        ...

    async def upload(self, session_id: str) -> Upload:
        """Raises NotFound."""
        ...

    async def uploads(self) -> tuple[Upload, ...]:
        """What is incomplete, the longest unchanged first: for the completer."""
        ...

    async def get(self, session_id: str) -> Recording:
        """Raises NotFound."""
        ...

    async def exists(self, session_id: str) -> bool:
        """Whether it is complete."""
        ...

    def open(self, session_id: str, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes from `offset` on, in pieces of at most 256 KiB. Raises NotFound at the first one."""
        ...

    async def delete(self, session_id: str) -> None:
        """Raises NotFound."""
        ...

    async def list(self) -> tuple[Recording, ...]:
        """The newest first."""
        ...


def is_session_id(text: str) -> bool:
    """Whether it is a UUID in lower case."""
    return _SESSION_ID.fullmatch(text) is not None


def check_session_id(session_id: str) -> None:
    """Raises BadParameter for what is no UUID in lower case: it becomes the name of a file."""
    if not is_session_id(session_id):
        raise BadParameter(f"session id {session_id[:80]!r} is not a UUID in lower case")


def check_part(number: int, content: bytes) -> None:
    """Raises BadParameter, LimitExceeded."""
    if not 1 <= number <= MAX_PARTS:
        raise BadParameter(f"part {number}: expected a number from 1 to {MAX_PARTS}")
    if len(content) > MAX_PART_BYTES:
        raise LimitExceeded(f"part {number} has {len(content)} bytes, the limit is {MAX_PART_BYTES}")
