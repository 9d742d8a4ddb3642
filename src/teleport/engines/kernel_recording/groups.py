"""The cgroups of sessions: one each, below a folder of this run, which a lock tells from those of runs that are over.

A successor takes over while its predecessor's sessions go on, and hosts share one cgroup file system with agents of
other clusters: so nobody touches the cgroups of a run that still holds its lock.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from teleport.engines.kernel_recording.program import DISK_PREFIX
from teleport.engines.kernel_recording.requirements import KernelSettings
from teleport.foundation.logs import get_logger

log = get_logger("kernel")

STRICT_PREFIX = "strict-"
"""How the cgroup is called of a session that may not go on unwatched."""
_REMOVE_TIMEOUT = 5.0
_ROUNDS = 8
_SHORT = 8
"""bpftrace knows no long names."""


class SessionGroups:
    """`open` before anything else, `close` when no session is left."""

    def __init__(self, settings: KernelSettings, host_id: str) -> None:
        self._mount = settings.cgroup_path
        self._host = host_id[:_SHORT] + "-"
        self._all = settings.folder
        run = self._host + uuid.uuid4().hex[:_SHORT]
        self._folder = settings.folder / run
        self.root = f"{settings.root}/{run}"
        """As the kernel calls it."""
        self._lock = -1

    def open(self) -> None:
        """Also does away with what runs that are over left. Raises OSError."""
        self._folder.mkdir(parents=True)
        self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for folder in _inside(self._all):
            if folder != self._folder and folder.name.startswith(self._host):
                self._clear_if_over(folder)

    def make(self, sid: str, *, has_files: bool, is_strict: bool) -> Path:
        """Raises OSError."""
        folder = self._folder / ((DISK_PREFIX if has_files else "") + (STRICT_PREFIX if is_strict else "") + sid)
        folder.mkdir()
        return folder

    def close(self) -> None:
        """What sessions left running is not watched any more."""
        if self._lock >= 0:
            self._clear(self._folder)
            os.close(self._lock)
            self._lock = -1

    def _clear_if_over(self, folder: Path) -> None:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._clear(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)

    def _clear(self, folder: Path) -> None:
        """What may not run unwatched is ended, the rest leaves for the cgroup that all start in."""
        for session in _inside(folder):
            pids = tuple(_members(session, "cgroup.procs"))
            if pids and STRICT_PREFIX in session.name:
                log.warning("what a session left running is ended, as nobody watches it", session=session.name)
                kill(session)
            elif pids:
                log.warning("what a session left running is not watched any more", session=session.name, pids=pids)
                _release(session, self._mount)
        deadline = time.monotonic() + _REMOVE_TIMEOUT
        while not remove(folder) and time.monotonic() < deadline:
            time.sleep(0.02)


def kill(folder: Path) -> None:
    """End all that runs in a cgroup."""
    try:
        (folder / "cgroup.kill").write_text("1")
    except OSError:  # Linux before 5.14
        for _ in range(_ROUNDS):
            for pid in _members(folder, "cgroup.procs"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def remove(folder: Path) -> bool:
    """Remove a cgroup with those made inside of it. False while something runs there."""
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            os.rmdir(path)
    except OSError:
        return False
    return True


def mark_again(folder: Path) -> None:
    """Let every thread enter the cgroup that it is in: the kernel tells of that, and a new tracer hears it."""
    known: set[int] = set()
    for _ in range(_ROUNDS):
        new = set(_members(folder, "cgroup.threads")) - known
        if not new:
            return
        for tid in new:
            with suppress(OSError):
                (folder / "cgroup.threads").write_text(str(tid))
        known |= new


def _release(folder: Path, mount: Path) -> None:
    for _ in range(_ROUNDS):
        pids = tuple(_members(folder, "cgroup.procs"))
        if not pids:
            return
        for pid in pids:
            with suppress(OSError):
                (mount / "cgroup.procs").write_text(str(pid))


def _inside(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _members(folder: Path, file: str) -> Iterator[int]:
    """Of a cgroup and all inside of it."""
    for path, _, _ in os.walk(folder):
        with suppress(OSError):
            yield from map(int, Path(path, file).read_text().split())
