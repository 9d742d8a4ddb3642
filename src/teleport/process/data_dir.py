"""The data directory: private to its owner, one process at a time, with the id of this host."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from teleport.foundation.errors import BadParameter, Unavailable

HOST_ID = "host_uuid"
LOCK = "teleport.lock"


def prepare(path: Path) -> None:
    """Make it, with mode 0700. Raises BadParameter when it cannot be used."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(0o700)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "not readable and writable for this user")
    except OSError as problem:
        raise BadParameter(f"data directory {path}: {problem.strerror}: choose another with --data-dir") from None


class Lock:
    """The right to write in a data directory. `release` may be called again."""

    def __init__(self, path: Path, wait: bool) -> None:
        self._descriptor: int | None = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            self.release()
            raise

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[Lock]:
    """Raises Unavailable when another process uses it. `wait`: until that one has left."""
    try:
        lock = Lock(path, wait)
    except BlockingIOError:
        raise Unavailable(f"another teleport process uses {path}: stop it, or choose another --data-dir") from None
    try:
        yield lock
    finally:
        lock.release()


def host_id(path: Path) -> str:
    """The UUID of this host, made at the first start. Raises BadParameter for a file that holds something else."""
    file = path / HOST_ID
    if not file.exists():
        temporary = file.with_suffix(".new")
        temporary.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        temporary.chmod(0o600)
        temporary.replace(file)
    try:
        return str(uuid.UUID(file.read_text(encoding="ascii").strip()))
    except (OSError, ValueError) as problem:
        raise BadParameter(f"{file}: not the UUID of a host: {problem}") from None
