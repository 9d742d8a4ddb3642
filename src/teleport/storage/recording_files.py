"""Recordings in a directory: `<session id>.tar` when complete, numbered parts under `uploading/` before.

A stream is one part that grows. It ends with a whole part of the recording whenever that was acknowledged, so what a
sudden end of the machine tore off is found and cut off when its host sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from teleport.foundation.clock import Clock
from teleport.foundation.errors import AccessDenied, AlreadyExists, BadParameter, NotFound, Unavailable
from teleport.storage.files import make_private_directory, replace_file, sync_directory
from teleport.storage.recording_mending import MendedRecording, is_between_parts, mend, whole_parts
from teleport.storage.recordings import (
    MAX_STREAM_BYTES,
    PIECE_BYTES,
    Recording,
    RecordingStore,
    Upload,
    check_part,
    check_session_id,
    is_session_id,
)

T = TypeVar("T")

_OWNER = "owner"
_JOINED = "joined"
_STREAM = "stream"
_LONGEST_TAIL = 64 << 20
"""Bytes that are looked at for what was torn off: more than one call can bring."""


class FileRecordings(RecordingStore):
    """Directories 0700, files 0600. One process writes; each upload by one caller at a time."""

    def __init__(self, directory: Path, clock: Clock, max_stream: int = MAX_STREAM_BYTES) -> None:
        self._max_stream = max_stream
        self._directory = directory
        self._uploading = directory / "uploading"
        self._clock = clock
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def begin(self, session_id: str, owner: str, *, is_stream: bool = False) -> None:
        await self._alone(session_id, lambda: self._begin(session_id, owner, is_stream))

    async def append(self, session_id: str, offset: int, content: bytes, owner: str) -> int:
        return await self._alone(session_id, lambda: self._append(session_id, offset, content, owner))

    async def mend(self, session_id: str, now: datetime, reason: str) -> MendedRecording | None:
        return await self._alone(session_id, lambda: self._mend(session_id, now, reason))

    async def put_part(self, session_id: str, number: int, content: bytes, owner: str | None = None) -> None:
        check_part(number, content)
        await self._alone(session_id, lambda: self._put_part(session_id, number, content, owner))

    async def complete(self, session_id: str, *, owner: str | None = None, partial: bool = False) -> Recording:
        return await self._alone(session_id, lambda: self._complete(session_id, owner, partial))

    async def abandon(self, session_id: str, owner: str | None = None) -> None:
        await self._alone(session_id, lambda: self._abandon(session_id, owner))

    async def upload(self, session_id: str) -> Upload:
        check_session_id(session_id)
        return await self._in_thread(lambda: self._upload(session_id))

    async def uploads(self) -> tuple[Upload, ...]:
        return await self._in_thread(self._uploads)

    async def get(self, session_id: str) -> Recording:
        check_session_id(session_id)
        return await self._in_thread(lambda: self._recording(session_id))

    async def exists(self, session_id: str) -> bool:
        check_session_id(session_id)
        return await self._in_thread(self._path(session_id).exists)

    async def open(self, session_id: str, offset: int = 0) -> AsyncIterator[bytes]:
        check_session_id(session_id)
        file = await self._in_thread(lambda: self._open(session_id, offset))
        try:
            while piece := await self._in_thread(lambda: file.read(PIECE_BYTES)):
                yield piece
        finally:
            file.close()

    async def delete(self, session_id: str) -> None:
        await self._alone(session_id, lambda: self._delete(session_id))

    async def list(self) -> tuple[Recording, ...]:
        return await self._in_thread(self._list)

    async def _alone(self, session_id: str, work: Callable[[], T]) -> T:
        check_session_id(session_id)
        lock = self._locks.setdefault(session_id, asyncio.Lock())
        async with lock:
            return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise Unavailable(f"recordings in {self._directory}: {error}; check its disk") from error

    def _path(self, session_id: str) -> Path:
        return self._directory / f"{session_id}.tar"

    def _part(self, session_id: str, number: int) -> Path:
        return self._uploading / session_id / f"{number:05}.part"

    # What follows runs in threads.

    def _begin(self, session_id: str, owner: str, is_stream: bool) -> None:
        self._refuse_complete(session_id)
        directory = self._uploading / session_id
        if (directory / _OWNER).exists():
            self._check_owner(session_id, owner)
            self._check_way(session_id, is_stream)
            return
        make_private_directory(directory)
        if is_stream:
            self._write(directory / _STREAM, b"")
            self._write(self._part(session_id, 1), b"")
        self._write(directory / _OWNER, owner.encode())
        sync_directory(self._uploading)

    def _put_part(self, session_id: str, number: int, content: bytes, owner: str | None) -> None:
        self._refuse_complete(session_id)
        self._check_owner(session_id, owner)
        self._check_way(session_id, is_stream=False)
        self._write(self._part(session_id, number), content)

    def _append(self, session_id: str, offset: int, content: bytes, owner: str) -> int:
        self._refuse_complete(session_id)
        self._check_owner(session_id, owner)
        self._check_way(session_id, is_stream=True)
        path = self._part(session_id, 1)
        with path.open("r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if not 0 <= offset <= size:
                raise BadParameter(f"recording {session_id} has {size} bytes: nothing follows byte {offset} yet")
            if offset + len(content) > self._max_stream:
                raise BadParameter(f"recording {session_id}: a recording has at most {self._max_stream} bytes")
            kept = _kept(file, offset, len(content))
            if not content.startswith(kept):
                size = _cut_torn_tail(file, offset, size)
                kept = _kept(file, offset, len(content)) if offset <= size else b""
            if offset > size or not content.startswith(kept):
                raise BadParameter(f"recording {session_id}: other bytes are kept from byte {offset} on")
            if rest := content[len(kept) :]:
                _add(file, size, rest)
        self._stamp(path)
        return size + len(rest)

    def _mend(self, session_id: str, now: datetime, reason: str) -> MendedRecording | None:
        self._check_owner(session_id, None)
        self._check_way(session_id, is_stream=True)
        return mend(self._part(session_id, 1), now, reason)

    def _complete(self, session_id: str, owner: str | None, partial: bool) -> Recording:
        path = self._path(session_id)
        if not path.exists():
            self._check_owner(session_id, owner)
            parts = self._upload(session_id).parts
            if not parts or (not partial and parts[-1] != len(parts)):
                missing = sorted(set(range(1, parts[-1] + 1 if parts else 2)) - set(parts))
                raise BadParameter(f"recording {session_id}: part {missing[0]} is missing")
            joined = self._join(session_id, parts)
            self._stamp(joined)
            joined.replace(path)
            sync_directory(self._directory)
        self._forget_upload(session_id)
        return self._recording(session_id)

    def _abandon(self, session_id: str, owner: str | None) -> None:
        self._check_owner(session_id, owner)
        self._forget_upload(session_id)

    def _delete(self, session_id: str) -> None:
        with _not_found(session_id):
            self._path(session_id).unlink()
        sync_directory(self._directory)

    def _join(self, session_id: str, parts: Sequence[int]) -> Path:
        if len(parts) == 1:
            return self._part(session_id, parts[0])
        joined = self._uploading / session_id / _JOINED
        descriptor = os.open(joined, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            for number in parts:
                with self._part(session_id, number).open("rb") as part:
                    shutil.copyfileobj(part, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        return joined

    def _upload(self, session_id: str) -> Upload:
        directory = self._uploading / session_id
        with _not_found(session_id):
            owner = (directory / _OWNER).read_text()
            parts = {int(path.stem): path.stat() for path in directory.glob("[0-9]*.part")}
            changed = max([(directory / _OWNER).stat().st_mtime, *(part.st_mtime for part in parts.values())])
        size = sum(part.st_size for part in parts.values())
        is_stream = (directory / _STREAM).exists()
        return Upload(session_id, owner, tuple(sorted(parts)), size, _moment(changed), is_stream)

    def _uploads(self) -> tuple[Upload, ...]:
        if not self._uploading.exists():
            return ()
        found = []
        for session_id in [path.name for path in self._uploading.iterdir()]:
            # of a complete one only the tidying up was cut off
            if is_session_id(session_id) and not self._path(session_id).exists():
                with contextlib.suppress(NotFound):
                    found.append(self._upload(session_id))
        return tuple(sorted(found, key=lambda upload: upload.changed))

    def _recording(self, session_id: str) -> Recording:
        with _not_found(session_id):
            status = self._path(session_id).stat()
        return Recording(session_id, status.st_size, _moment(status.st_mtime))

    def _list(self) -> tuple[Recording, ...]:
        found = []
        for path in self._directory.glob("*.tar"):
            if is_session_id(path.stem):
                with contextlib.suppress(NotFound):
                    found.append(self._recording(path.stem))
        return tuple(sorted(found, key=lambda recording: recording.completed, reverse=True))

    def _open(self, session_id: str, offset: int) -> BinaryIO:
        with _not_found(session_id):
            file = self._path(session_id).open("rb")
        file.seek(offset)
        return file

    def _refuse_complete(self, session_id: str) -> None:
        if self._path(session_id).exists():
            raise AlreadyExists(f"recording {session_id} is complete and is not written again")

    def _check_owner(self, session_id: str, owner: str | None) -> None:
        with _not_found(session_id):
            found = (self._uploading / session_id / _OWNER).read_text()
        if owner is not None and owner != found:
            raise AccessDenied(f"recording {session_id} is uploaded by another host")

    def _check_way(self, session_id: str, is_stream: bool) -> None:
        if (self._uploading / session_id / _STREAM).exists() != is_stream:
            was = "in parts" if is_stream else "as a stream"
            raise BadParameter(f"the upload of recording {session_id} was begun {was} and goes on so")

    def _write(self, path: Path, content: bytes) -> None:
        replace_file(path, [content])
        self._stamp(path)

    def _stamp(self, path: Path) -> None:
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))

    def _forget_upload(self, session_id: str) -> None:
        directory = self._uploading / session_id
        if directory.exists():
            shutil.rmtree(directory)
            sync_directory(self._uploading)


def _kept(file: FileIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    kept = bytearray()
    while len(kept) < count and (piece := file.read(count - len(kept))):
        kept += piece
    return bytes(kept)


def _cut_torn_tail(file: FileIO, offset: int, size: int) -> int:
    """What does not end with a whole part was never acknowledged. Returns the size that is left."""
    if size - offset > _LONGEST_TAIL or not is_between_parts(file, offset):
        return size
    sound = offset + whole_parts(_kept(file, offset, size - offset))
    if sound < size:
        file.truncate(sound)
        os.fsync(file.fileno())
    return sound


def _add(file: FileIO, size: int, content: bytes) -> None:
    """All of it or nothing. Raises OSError."""
    file.seek(size)
    try:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fdatasync(file.fileno())
    except OSError:
        file.truncate(size)
        raise


@contextlib.contextmanager
def _not_found(session_id: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"recording {session_id} is not found") from None


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
