"""Uploads complete recordings in numbered parts, again and again until the cluster has them.

An upload that was broken off starts over: a part sent twice replaces itself. Of a
recording that was streamed the rest is appended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from teleport.foundation.errors import AlreadyExists, NotFound, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.session.recording_spool import CompleteRecording, RecordingSpool
from teleport.session.recording_stream import StreamSink
from teleport.wire.recording import RecordingInfo

log = get_logger("uploader")

PART_SIZE = 4 << 20
SCAN_INTERVAL = 5.0
_PARTING = 5.0


class RecordingSink(StreamSink, Protocol):
    """Where recordings go. All are safe to repeat, and raise TeleportError."""

    async def upload(self, sid: str, part_number: int, content: bytes) -> None: ...

    async def complete(self, sid: str, parts: int, info: RecordingInfo) -> None: ...


class Uploader:
    """A Service: looks every five seconds, and at once when `nudge` is called."""

    name = "uploader"

    def __init__(self, spool: RecordingSpool, sink: RecordingSink, interval: float = SCAN_INTERVAL) -> None:
        self._spool = spool
        self._sink = sink
        self._interval = interval
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """A recording has just been completed."""
        self._nudged.set()

    async def run(self, started: Callable[[], None]) -> None:
        started()
        try:
            await self._upload_repeatedly()
        finally:
            await self._part()

    async def _upload_repeatedly(self) -> None:
        backoff = Backoff()
        while True:
            wait = self._interval
            if await self.upload_all():
                backoff.reset()
            else:
                wait = max(wait, backoff.next_delay())
            try:
                async with asyncio.timeout(wait):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()

    async def _part(self) -> None:
        """Stopped: what can be uploaded within a moment is; the rest waits on disk."""
        try:
            async with asyncio.timeout(_PARTING):
                await self.upload_all()
        except TimeoutError:
            log.info("recordings stay on disk for the next start")

    async def upload_all(self) -> bool:
        """Try every complete recording once. False when some could not be uploaded."""
        success = True
        try:
            waiting = await asyncio.to_thread(self._spool.complete)
        except OSError as error:
            log.warning("recordings on disk cannot be listed now", error=error)
            return False
        for recording in waiting:
            try:
                with self._spool.claimed(recording.sid) as is_ours:
                    if is_ours:
                        await self._upload(recording)
            except AlreadyExists as error:
                folder = await asyncio.to_thread(self._spool.set_aside, recording.sid)
                log.error("a recording was ended before it came", session=recording.sid, error=error, kept=folder)
            except (TeleportError, OSError, TimeoutError) as error:
                log.warning("a recording could not be uploaded yet", session=recording.sid, error=error)
                success = False
        return success

    async def _upload(self, recording: CompleteRecording) -> None:
        if recording.kept is None:
            await self._upload_parts(recording)
        else:
            await self._append_rest(recording, recording.kept)
        await asyncio.to_thread(self._spool.remove, recording.sid)
        log.info("recording uploaded", session=recording.sid, bytes=recording.size)

    async def _append_rest(self, recording: CompleteRecording, kept: int) -> None:
        for offset in range(0, recording.size, PART_SIZE):
            content = await asyncio.to_thread(_read, recording, offset)
            await self._sink.append(recording.sid, kept + offset, content)
        if recording.size:
            await self._sink.finish(recording.sid, kept + recording.size)
            return
        with contextlib.suppress(NotFound):  # nothing of it ever came there
            await self._sink.finish(recording.sid, 0)

    async def _upload_parts(self, recording: CompleteRecording) -> None:
        number, offset = 0, 0
        while offset < recording.size or number == 0:
            content = await asyncio.to_thread(_read, recording, offset)
            number, offset = number + 1, offset + PART_SIZE
            await self._sink.upload(recording.sid, number, content)
        await self._sink.complete(recording.sid, number, recording.info)


def _read(recording: CompleteRecording, offset: int) -> bytes:
    with recording.path.open("rb") as file:
        file.seek(offset)
        return file.read(PART_SIZE)
