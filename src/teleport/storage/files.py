"""Files that hold state: for their owner alone, replaced as a whole, on disk when the call returns."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """The directory and those above it that are missing, for their owner alone (0700)."""
    missing = [path, *path.parents]
    for directory in reversed(missing[: next((n for n, each in enumerate(missing) if each.exists()), len(missing))]):
        directory.mkdir(mode=0o700, exist_ok=True)


def replace_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write the whole file (0600) or leave the old one as it is; readers see one or the other. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make names that were created, replaced or removed in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
