"""Private files: directories 0700, files 0600, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from teleport.foundation.errors import BadParameter

_FORBIDDEN = ("/", "\\", "\0", "\n", "\r")


def check_name(what: str, name: str) -> str:
    """A name that becomes part of a path. Raises BadParameter when it could lead elsewhere."""
    if not name or name in (".", "..") or any(mark in name for mark in _FORBIDDEN):
        raise BadParameter(f"{what} {name!r} cannot be part of a file name")
    return name


def make_directory(path: str) -> None:
    """The directory and its parents, each private."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_directory(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)


def write_private(path: str, content: str | bytes) -> None:
    """Replace the file at once: readers see the old or the new content, never a part."""
    make_directory(os.path.dirname(path))
    raw = content.encode() if isinstance(content, str) else content
    temporary = f"{path}.{os.getpid()}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
        os.replace(temporary, path)
    except BaseException as problem:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(problem, OSError) and not problem.filename:
            problem.filename = path  # a full disk does not say of itself where it is
        raise


@contextlib.contextmanager
def together(directory: str, *, writes: bool = False) -> Iterator[None]:
    """Files of this directory that belong together are read while nobody writes, and written by one at a time."""
    if os.name == "nt" or not os.path.isdir(directory):
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if writes else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def read_text(path: str) -> str:
    """Raises FileNotFoundError."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def remove(path: str) -> None:
    """Gone afterwards, whether it was there or not; directories with all they hold."""
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
