"""Recordings on this host until they are uploaded: one folder a session.

    <sid>/recording   parts as in wire.recording, appended and synced while the session runs
    <sid>/info.json   what the first frame says, to be read without opening the recording
    <sid>/rest.json   of a recording that is streamed: how many bytes the cluster has; `recording` is what follows
                      them, and empty unless the cluster was away
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.session.event_spool import sync_directory
from teleport.storage.recording_mending import mend
from teleport.wire.recording import RecordingEnd, RecordingInfo, Resized, Started, encode_part

T = TypeVar("T")

SESSION_ID: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{7,63}")
_SYNCS: Final = 4
"""That a new recording takes: two files, and the folders that name them."""
_REFUSED: Final = "refused.json"
_DIED: Final = "the host stopped while the session ran"


class OpenRecording:
    """The file of a session that runs."""

    def __init__(self, folder: Path, sid: str) -> None:
        self.sid = sid
        self._folder = folder
        path = folder / "recording"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed, or this process ends
        self._size = os.fstat(self._file).st_size

    @property
    def size(self) -> int:
        return self._size

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

    # -- of a recording that is streamed

    def follow(self, kept: int) -> None:
        """What is appended from now on follows the first `kept` bytes, which the cluster has. Raises OSError."""
        os.ftruncate(self._file, 0)
        self._size = 0
        _write_file(self._folder / "rest.json", msgspec.json.encode(_Rest(kept)))

    def read(self, offset: int, count: int) -> bytes:
        return os.pread(self._file, count, offset)

    def remove(self) -> None:
        """The cluster has all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._file)


class _Rest(msgspec.Struct, frozen=True):
    kept: int


@dataclass(frozen=True)
class CompleteRecording:
    """A recording that waits to be uploaded. Of one that was streamed it is the rest, which follows `kept` bytes."""

    sid: str
    info: RecordingInfo
    path: Path
    size: int
    kept: int | None = None


@dataclass(frozen=True)
class RecoveredSession:
    """A session whose end nobody recorded: what is known of it."""

    info: RecordingInfo
    end: RecordingEnd
    participants: tuple[str, ...]
    is_streamed: bool = False


class RecordingSpool:
    """The folder of all recordings on this host."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._syncing = ThreadPoolExecutor(_SYNCS - 1, thread_name_prefix="recording sync")

    def _all_at_once(self, first: Callable[[], None], *others: Callable[[], None]) -> None:
        """Syncs that a file system answers with one commit where they come together, and with one each in turn.

        A session begins when its recording has, so this is time that people wait. Raises OSError.
        """
        running = [self._syncing.submit(sync) for sync in others]
        try:
            first()
        finally:
            wait(running)
        for one in running:
            one.result()

    def create(self, info: RecordingInfo) -> OpenRecording:
        """Begin a recording; its first frame is on disk when this returns. Raises OSError."""
        folder = self._folder(info.sid)
        folder.mkdir(parents=True, mode=0o700)
        recording = OpenRecording(folder, info.sid)
        try:
            first = encode_part(1, [Started(0, info), Resized(0, info.columns, info.rows)])
            with _new_file(folder / "info.json", msgspec.json.encode(info)) as file:
                self._all_at_once(
                    lambda: recording.append(first),
                    lambda: os.fdatasync(file),
                    lambda: sync_directory(folder),
                    lambda: sync_directory(self.directory),
                )
        except BaseException:
            recording.abandon()
            raise
        return recording

    def create_rest(self, info: RecordingInfo) -> OpenRecording:
        """For what a streamed recording must keep here while the cluster is away. Raises OSError."""
        folder = self._folder(info.sid)
        folder.mkdir(parents=True, mode=0o700)
        recording = OpenRecording(folder, info.sid)
        try:
            _write_file(folder / "info.json", msgspec.json.encode(info))
            recording.follow(0)
        except BaseException:
            recording.remove()
            raise
        return recording

    def complete(self) -> list[CompleteRecording]:
        """All that wait to be uploaded, in order of their ids."""
        found = []
        for end in sorted(self.directory.glob("*/end.json")):
            info, path = _read(end.parent / "info.json", RecordingInfo), end.parent / "recording"
            if info is not None and path.exists():
                rest = _read(end.parent / "rest.json", _Rest)
                kept = rest.kept if rest is not None else None
                found.append(CompleteRecording(info.sid, info, path, path.stat().st_size, kept))
        return found

    def set_aside(self, sid: str) -> Path:
        """The cluster will never take it: it stays here for people to look at. Returns where."""
        folder = self._folder(sid)
        (folder / "end.json").replace(folder / _REFUSED)
        return folder

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
            if folder.is_dir() and not any((folder / name).exists() for name in ("end.json", _REFUSED)):
                with _lock_of(folder) as is_ours:
                    runs_elsewhere = not is_ours and (folder / "recording").exists()
                if runs_elsewhere:
                    continue
                recovered.extend(_mend(folder, now))
        return recovered

    def _folder(self, sid: str) -> Path:
        if not SESSION_ID.fullmatch(sid):
            raise BadParameter(f"{sid!r} is not a session id")
        return self.directory / sid


def _mend(folder: Path, now: datetime) -> list[RecoveredSession]:
    """Give the recording its end, so that it is uploaded. Nothing when not even the first part is there.

    Nor where a recording was streamed and nothing kept here: it is the cluster that gives it its end, and tells.
    """
    path = folder / "recording"
    info, is_rest = _read(folder / "info.json", RecordingInfo), (folder / "rest.json").exists()
    if info is not None and is_rest and path.exists() and path.stat().st_size == 0:
        OpenRecording(folder, info.sid).complete()
        return []
    mended = mend(path, now, _DIED, begun=info if is_rest else None) if path.exists() else None
    if mended is None:
        shutil.rmtree(folder, ignore_errors=True)
        return []
    if info is None:
        _write_file(folder / "info.json", msgspec.json.encode(mended.info))
    OpenRecording(folder, mended.info.sid).complete()
    return [RecoveredSession(mended.info, mended.end, mended.end.participants, is_streamed=is_rest)]


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


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


@contextlib.contextmanager
def _new_file(path: Path, content: bytes) -> Iterator[int]:
    """A new small file, which is not durable yet: its descriptor."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, content)
        yield file
    finally:
        os.close(file)


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
