"""Where paths lead on a host that runs no agent of ours, by questions to its server of files.

Each question is a generator: it yields packets, without their numbers, and is sent the answers to them. Who runs it
may do so within a copy that passes (`passing_sftp`) or beside one (`path_probe`). What the server says is checked
like a stranger's words.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from teleport.engines.ssh.sftp_server import (
    ATTRS,
    LSTAT,
    MODE_FLAG,
    NAME,
    NO_SUCH_FILE,
    READLINK,
    REALPATH,
    SIZE_FLAG,
    STATUS,
    Malformed,
    Reader,
    string,
)

MAX_PATH: Final = 4096
MAX_DEPTH: Final = 100

Asked: TypeAlias = tuple[int, bytes]
"""A request: its kind, and what follows its number."""
Answered: TypeAlias = tuple[int, bytes]

CHANGED: Final = "the path changed while it was looked at: try again"


class Unresolved(Exception):
    """The server does not say where a path leads; `code` is its own word for that."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Found:
    """What is at a path that holds no link before its last name. `mode` is 0 for nothing."""

    path: bytes
    mode: int = 0
    size: int = 0

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def file_size(self) -> int:
        return self.size if stat.S_ISREG(self.mode) else 0


Question: TypeAlias = Generator[list[Asked], list[Answered], Found]


def find(path: bytes, *, follow: bool = True) -> Question:
    """Where a path leads and what is there. `follow` its last link too. Raises Unresolved, Malformed."""
    path = path.rstrip(b"/") or (b"/" if path.startswith(b"/") else b".")
    front, name = posixpath.split(path)
    if follow or name in (b"", b".", b".."):
        real = yield from resolve(path)
    else:
        real = posixpath.join((yield from resolve(front or b".")), name)
    found = yield from look(real)
    if follow and found.is_link:
        raise Unresolved(STATUS, CHANGED)
    return found


def resolve(path: bytes) -> Generator[list[Asked], list[Answered], bytes]:
    """Raises Unresolved, Malformed."""
    ((kind, body),) = yield [(REALPATH, string(path))]
    if kind == STATUS:
        raise Unresolved(*_status(body))
    return read_path(kind, body)


def read_link(path: bytes) -> Generator[list[Asked], list[Answered], bytes]:
    """What is written in a link. Raises Unresolved, Malformed."""
    ((kind, body),) = yield [(READLINK, string(path))]
    if kind == STATUS:
        raise Unresolved(*_status(body))
    if kind != NAME:
        raise Malformed
    reader = Reader(memoryview(body))
    if reader.u32() != 1:
        raise Malformed
    written = reader.string()
    if not written or b"\0" in written:
        raise Malformed
    return written


def leads(place: bytes, target: bytes) -> Generator[list[Asked], list[Answered], Found | None]:
    """What a link at `place` leads to, of which `target` is written; None where that cannot be told or may change:
    nothing is there, it is no file and no folder, or the way there goes over another link. Raises Malformed.
    """
    names = [name for name in target.split(b"/") if name not in (b"", b".")]
    below = [name for name in names if name != b".."] if not target.startswith(b"/") else names
    if not target or b"\0" in target or names[len(names) - len(below) :] != below or b".." in below:
        return None
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
    try:
        found = yield from find(wanted)
    except Unresolved:
        return None
    is_known = stat.S_ISREG(found.mode) or found.is_folder
    return found if is_known and found.path == posixpath.normpath(b"/" + wanted.lstrip(b"/")) else None


def look(real: bytes) -> Question:
    """What is there; that no name before the last is a link was asked in the same breath.

    Raises Unresolved, Malformed.
    """
    names = [name for name in real.split(b"/") if name]
    if len(names) > MAX_DEPTH:
        raise Unresolved(STATUS, f"more than {MAX_DEPTH} folders within each other")
    answers = yield look_requests(real)
    return read_look(real, answers)


def look_requests(real: bytes) -> list[Asked]:
    names = [name for name in real.split(b"/") if name]
    return [(LSTAT, string(b"/" + b"/".join(names[: count + 1]))) for count in range(len(names))]


def read_look(real: bytes, answers: list[Answered]) -> Found:
    """Raises Unresolved, Malformed."""
    found = Found(real, stat.S_IFDIR if not answers else 0)
    for number, (kind, body) in enumerate(answers):
        is_last = number == len(answers) - 1
        if kind == STATUS:
            code, reason = _status(body)
            if is_last and code == NO_SUCH_FILE:
                return Found(real)
            raise Unresolved(code, reason)
        if kind != ATTRS:
            raise Malformed
        given = Reader(memoryview(body)).attributes()
        mode = given.get(MODE_FLAG, (0,))[0]
        if not is_last and stat.S_ISLNK(mode):
            raise Unresolved(STATUS, CHANGED)
        found = Found(real, mode, given.get(SIZE_FLAG, (0,))[0])
    return found


def read_path(kind: int, body: bytes) -> bytes:
    """The one path of an answer to REALPATH: absolute, nothing in it leads up. Raises Malformed."""
    if kind != NAME:
        raise Malformed
    reader = Reader(memoryview(body))
    if reader.u32() != 1:
        raise Malformed
    path = reader.string()
    names = path.split(b"/")[1:]
    if not path.startswith(b"/") or b"\0" in path or len(path) > MAX_PATH or {b".", b".."} & set(names):
        raise Malformed
    return b"/" + b"/".join(name for name in names if name)


def read_places(bases: Iterable[str], answers: list[Answered]) -> dict[str, str]:
    """Where folders really are, a character for each byte; those that are not there are left as they are."""
    found: dict[str, str] = {}
    for base, (kind, body) in zip(bases, answers, strict=True):
        told = os.fsencode(base)
        place = told if kind == STATUS else read_path(kind, body)
        found[told.decode("latin-1")] = place.decode("latin-1")
    return found


def _status(body: bytes) -> tuple[int, str]:
    reader = Reader(memoryview(body))
    code = reader.u32()
    return code, shown_words(code, bytes(reader.string()) if len(body) > 4 else b"")


_WORDS: Final = {
    2: "no such file",
    3: "permission denied",
    4: "failure",
    5: "bad message",
    8: "operation unsupported",
}


def shown_words(code: int, said: bytes = b"") -> str:
    """Short, in lower case, the same for each sort of failure."""
    return _WORDS.get(code) or said[:100].decode("utf-8", "replace").lower() or f"status {code}"
