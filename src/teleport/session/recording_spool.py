"""Recordings on this host until they are uploaded: one folder a session.

    <sid>/recording   parts as in wire.recording, appended and synced while the session runs
    <sid>/info.json   what the first frame says, to be read without opening the recording
    <sid>/end.json    written last: the recording is complete and may be uploaded

Whatever a killed run left without `end.json` is mended by `recover` at the next start. A process locks the recordings
it writes or uploads, so that one which lets its sessions end beside its successor keeps them. Blocking: use threads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.session.event_spool import sync_directory
from teleport.wire.recording import (
    DamagedRecording,
    Ended,
    Frame,
    RecordingEnd,
    RecordingInfo,
    RecordingReader,
    Resized,
    Started,
    encode_part,
)

SESSION_ID: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{7,63}")
_PIECE: Final = 1 << 20


class OpenRecording:
    """The file of a session that runs."""

    def __init__(self, folder: Path, sid: str) -> None:
        self.sid = sid
        self._folder = folder
        self._end: RecordingEnd | None = None
        path = folder / "recording"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed, or this process ends
        self._size = os.fstat(self._file).st_size

    def append(self, part: bytes) -> None:
        """Write and sync. Raises OSError, and then nothing of the part is left behind."""
        try:
            view = memoryview(part)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(part)

    def complete(self, is_whole: bool = True) -> None:
        """No more parts come. What is on disk may be uploaded, whole or not."""
        try:
            _write_file(self._folder / "end.json", msgspec.json.encode({"whole": is_whole, "size": self._size}))
        finally:
            os.close(self._file)

    def abandon(self) -> None:
        """Let it go as it is: `RecordingSpool.recover` mends it."""
        os.close(self._file)


@dataclass(frozen=True)
class CompleteRecording:
    """A recording that waits to be uploaded."""

    sid: str
    info: RecordingInfo
    path: Path
    size: int


@dataclass(frozen=True)
class RecoveredSession:
    """A session whose end nobody recorded: what is known of it."""

    info: RecordingInfo
    end: RecordingEnd
    participants: tuple[str, ...]


class RecordingSpool:
    """The folder of all recordings on this host."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, info: RecordingInfo) -> OpenRecording:
        """Begin a recording; its first frame is on disk when this returns. Raises OSError."""
        folder = self._folder(info.sid)
        folder.mkdir(parents=True, mode=0o700)
        recording = OpenRecording(folder, info.sid)
        try:
            _write_file(folder / "info.json", msgspec.json.encode(info))
            recording.append(encode_part(1, [Started(0, info), Resized(0, info.columns, info.rows)]))
            sync_directory(self.directory)
        except BaseException:
            recording.abandon()
            raise
        return recording

    def complete(self) -> list[CompleteRecording]:
        """All that wait to be uploaded, in order of their ids."""
        found = []
        for end in sorted(self.directory.glob("*/end.json")):
            info, path = _read_info(end.parent), end.parent / "recording"
            if info is not None and path.exists():
                found.append(CompleteRecording(info.sid, info, path, path.stat().st_size))
        return found

    @contextlib.contextmanager
    def claimed(self, sid: str) -> Iterator[bool]:
        """False when another process has this recording in its hands, or had it and is done."""
        with _lock_of(self._folder(sid)) as is_ours:
            yield is_ours

    def remove(self, sid: str) -> None:
        """It is stored elsewhere."""
        shutil.rmtree(self._folder(sid), ignore_errors=True)

    def recover(self, now: datetime) -> list[RecoveredSession]:
        """Mend and complete what a killed run left. Call before the first `create`."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        recovered = []
        for folder in sorted(self.directory.iterdir()):
            if folder.is_dir() and not (folder / "end.json").exists():
                with _lock_of(folder) as is_ours:
                    runs_elsewhere = not is_ours and (folder / "recording").exists()
                if runs_elsewhere:
                    continue
                session = _mend(folder, now)
                if session is None:
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    recovered.append(session)
        return recovered

    def _folder(self, sid: str) -> Path:
        if not SESSION_ID.fullmatch(sid):
            raise BadParameter(f"{sid!r} is not a session id")
        return self.directory / sid


def _mend(folder: Path, now: datetime) -> RecoveredSession | None:
    """Cut the torn tail, write the end that is missing. None when not even the first part is there."""
    path = folder / "recording"
    if not path.exists():
        return None
    info, end, last, reader = None, None, 0, RecordingReader()
    for frame in _frames(path, reader):
        last = max(last, frame.offset)
        if isinstance(frame, Started):
            info = frame.info
        elif isinstance(frame, Ended):
            end = frame.end
    if info is None:
        return None
    os.truncate(path, reader.consumed)
    recording = OpenRecording(folder, info.sid)
    if end is None:
        end = RecordingEnd(
            ended=min(info.started + timedelta(milliseconds=last), now),
            reason="the host stopped while the session ran",
            participants=(info.user,),
            recovered=True,
        )
        recording.append(encode_part(reader.parts + 1, [Ended(last, end)]))
    recording.complete()
    return RecoveredSession(info, end, end.participants)


def _frames(path: Path, reader: RecordingReader) -> Iterator[Frame]:
    """As far as the file is sound."""
    with path.open("rb") as file, contextlib.suppress(DamagedRecording):
        while piece := file.read(_PIECE):
            yield from reader.feed(piece)


@contextlib.contextmanager
def _lock_of(folder: Path) -> Iterator[bool]:
    """Whether the recording in a folder is there and nobody else's; it is ours inside the block."""
    try:
        file = os.open(folder / "recording", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _try_lock(file) and os.fstat(file).st_nlink > 0
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_info(folder: Path) -> RecordingInfo | None:
    try:
        return msgspec.json.decode((folder / "info.json").read_bytes(), type=RecordingInfo)
    except (OSError, msgspec.MsgspecError):
        return None


def _write_file(path: Path, content: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    sync_directory(path.parent)
