"""All that copies do to files goes over this desk: it tells the agent of each action, and asks it where rules govern.

It runs in the host user's process that serves the copy, and imports nothing of ours. The link to the agent is a
SEQPACKET socket that carries JSON, see `engines.ssh.file_link`. Where rules govern, every path is resolved to its
folder, which is held open, and a name in it, so that what was asked about is what is opened: neither `..` nor a link
nor a rename in between leads elsewhere.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

OPEN, CLOSE, SETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, RENAME, SYMLINK, LINK = (
    1, 2, 7, 9, 10, 11, 12, 13, 16, 18, 19,
)  # fmt: skip
SIZE_FLAG, OWNER_FLAG, MODE_FLAG, TIME_FLAG = 1, 2, 4, 8
UNKNOWN = "unknown"
EMPTY = hashlib.sha256().hexdigest()
MAX_TOLD = 4096
_MAX_ANSWER = 64 << 10
_MAX_NOTES = 20
quoted = json.JSONEncoder().encode

Attributes = Mapping[int, tuple[int, ...]]


class Refused(PermissionError):
    """The rules forbid it; the agent has logged it."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EACCES, reason)
        self.reason = reason


class Digest:
    """SHA-256 of what passes in order from the start; of anything else it is not known."""

    def __init__(self) -> None:
        self.size = 0
        self._position = 0
        self._is_known = True
        self._hash: Any = None

    def take(self, offset: int, data: bytes | memoryview) -> None:
        self.size += len(data)
        if not self._is_known or not data:
            return
        if offset != self._position:
            self._is_known = False
            return
        if self._hash is None:
            self._hash = hashlib.sha256()
        self._hash.update(data)
        self._position += len(data)

    @property
    def text(self) -> str:
        if not self._is_known:
            return UNKNOWN
        return EMPTY if self._hash is None else str(self._hash.hexdigest())


class OpenFile:
    """A file that is being copied. `limits`: how large it may be, by direction, before the agent is asked again."""

    def __init__(self, descriptor: int, path: bytes, place: bytes, number: int, *, appends: bool) -> None:
        self.descriptor = descriptor
        self.path = path
        self.place = place
        self.number = number
        self.appends = appends
        self.limits: dict[str, int] = {}
        self.read = Digest()
        self.written = Digest()


class Place:
    """A name in a folder that is held open; without rules the path as it was given."""

    def __init__(self, folder: int | None, name: bytes, path: bytes) -> None:
        self.folder = folder
        self.name = name
        self.path = path

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder is not None:
            os.close(self.folder)

    def look(self) -> os.stat_result | None:
        """What is there now, not followed; None for nothing."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


class Desk:
    """Does what a copy asks for with the rights of its process. Everything raises OSError."""

    def __init__(
        self, link: socket.socket | None = None, *, is_governed: bool = False, bases: Iterable[str] = ()
    ) -> None:
        self._link = link
        self._is_governed = is_governed
        self._numbers = 0
        self._notes = 0
        if is_governed:
            self._say({"do": "bases", "bases": {text(os.fsencode(one)): text(real(one)) for one in bases}})

    # -- files

    def open(self, path: bytes, flags: int, mode: int, wanted: int = 0) -> OpenFile:
        """`wanted` are the flags as the client gave them, for the log."""
        number = self._numbers = self._numbers + 1
        with self._told(OPEN, path, flags=wanted, file=number) as told, self._place(path) as place:
            limits = self._ask_to_open(place, path, flags)
            follow = os.O_NOFOLLOW if self._is_governed else 0
            opening = flags | follow | os.O_CLOEXEC | os.O_NOCTTY
            descriptor = os.open(place.name, opening, mode, dir_fd=place.folder)
            told["resolved"] = text(where(descriptor))
            file = OpenFile(descriptor, path, place.path, number, appends=bool(flags & os.O_APPEND))
            file.limits = limits
        return file

    def close(self, file: OpenFile) -> None:
        try:
            os.close(file.descriptor)
        finally:
            way = file.written if file.written.size or not file.read.size else file.read
            facts: dict[str, Any] = {
                "read": file.read.size,
                "written": file.written.size,
                "sha256": way.text,
                "file": file.number,
            }
            self._tell(CLOSE, file.path, **facts)

    def read(self, file: OpenFile, offset: int, target: memoryview) -> int:
        """How many bytes were there, and are in `target` now."""
        count = os.preadv(file.descriptor, (target,), offset)
        if self._is_governed:
            self._check_size(file, "download", offset + count)
        file.read.take(offset, target[:count])
        return count

    def write(self, file: OpenFile, offset: int, data: memoryview | bytes) -> None:
        view = memoryview(data)
        if self._is_governed:
            end = os.fstat(file.descriptor).st_size if file.appends else offset
            self._check_size(file, "upload", end + len(view))
        file.written.take(file.written.size if file.appends else offset, view)
        while view:
            done = os.write(file.descriptor, view) if file.appends else os.pwrite(file.descriptor, view, offset)
            offset += done
            view = view[done:]

    # -- names

    def listing(self, path: bytes) -> list[bytes]:
        with self._told(OPENDIR, path):
            return [b".", b"..", *os.listdir(path)]

    def listed(self, path: bytes) -> None:
        """The first entries were read."""
        self._tell(READDIR, path)

    def remove(self, path: bytes) -> None:
        with self._told(REMOVE, path), self._place(path, follow=False) as place:
            self._ask(place, path, "upload")
            os.unlink(place.name, dir_fd=place.folder)

    def make_folder(self, path: bytes, mode: int) -> None:
        with self._told(MKDIR, path), self._place(path, follow=False) as place:
            self._ask(place, path, "upload", is_folder=True)
            os.mkdir(place.name, mode, dir_fd=place.folder)

    def remove_folder(self, path: bytes) -> None:
        with self._told(RMDIR, path), self._place(path, follow=False) as place:
            self._ask(place, path, "upload", is_folder=True)
            os.rmdir(place.name, dir_fd=place.folder)

    def rename(self, old: bytes, new: bytes, *, replace: bool) -> None:
        with (
            self._told(RENAME, old, new),
            self._place(old, follow=False) as source,
            self._place(new, follow=False) as target,
        ):
            self._ask_to_move(source, target, old)
            if replace:
                os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)
            else:
                move_to_nothing(source, target)

    def link(self, old: bytes, new: bytes) -> None:
        with (
            self._told(LINK, old, new),
            self._place(old, follow=False) as source,
            self._place(new, follow=False) as target,
        ):
            self._ask_to_move(source, target, old)
            hard_link(source, target)

    def symlink(self, target: bytes, link: bytes) -> None:
        """The log has the target first, as it is sent."""
        with self._told(SYMLINK, target, link), self._place(link, follow=False) as place:
            self._ask(place, link, "upload")
            os.symlink(target, place.name, dir_fd=place.folder)

    # -- attributes

    def change(self, path: bytes, given: Attributes, *, follow: bool = True) -> None:
        with self._told(SETSTAT, path):
            if not self._is_governed:
                change(path, given, follow=follow)
                return
            with self._place(path, follow=follow) as place:
                descriptor = os.open(place.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.folder)
                try:
                    found = os.fstat(descriptor)
                    if stat.S_ISLNK(found.st_mode) and follow:
                        raise Refused("the path changed while it was looked at: try again")
                    self._ask_to_change(place, path, given, found)
                    if stat.S_ISLNK(found.st_mode):
                        change(os.path.join(held(place.folder), place.name), given, follow=False)
                    else:
                        change(held(descriptor), given)
                finally:
                    os.close(descriptor)

    def change_open(self, file: OpenFile, given: Attributes) -> None:
        with self._told(SETSTAT, file.path):
            if self._is_governed and SIZE_FLAG in given:
                self._check_size(file, "upload", given[SIZE_FLAG][0])
            elif self._is_governed and "upload" not in file.limits:
                self._ask_about(file, "upload", os.fstat(file.descriptor).st_size)
            change(file.descriptor, given)

    # -- what rules say

    def _place(self, path: bytes, *, follow: bool = True) -> Place:
        """Where the path leads: with rules its folder, held open, and the name in it. `follow` its last link too."""
        if not self._is_governed:
            return Place(None, path, path)
        path = path.rstrip(b"/") or b"/"
        front, name = os.path.split(path)
        if follow or name in (b"", b".", b".."):
            real = os.path.realpath(path)
        else:
            real = os.path.join(os.path.realpath(front), name)
        front, name = os.path.split(real)
        folder = os.open(front, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if where(folder) != front:
            os.close(folder)
            raise Refused("the path changed while it was looked at: try again")
        return Place(folder, name or b".", real)

    def _ask_to_open(self, place: Place, path: bytes, flags: int) -> dict[str, int]:
        if not self._is_governed:
            return {}
        found = place.look()
        size = found.st_size if found is not None and stat.S_ISREG(found.st_mode) else 0
        way = flags & os.O_ACCMODE
        limits = {}
        if way in (os.O_RDONLY, os.O_RDWR):
            limits["download"] = self._ask(place, path, "download", size=size)
        if way in (os.O_WRONLY, os.O_RDWR) or flags & (os.O_CREAT | os.O_TRUNC):
            limits["upload"] = self._ask(place, path, "upload", size=0 if flags & os.O_TRUNC else size)
        return limits

    def _ask_to_change(self, place: Place, path: bytes, given: Attributes, found: os.stat_result) -> None:
        size = given[SIZE_FLAG][0] if SIZE_FLAG in given else found.st_size
        self._ask(place, path, "upload", size=size, is_folder=stat.S_ISDIR(found.st_mode))

    def _ask_to_move(self, source: Place, target: Place, old: bytes) -> None:
        if not self._is_governed:
            return
        found = source.look()
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "")
        is_folder = stat.S_ISDIR(found.st_mode)
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        self._ask(source, old, "move", size=size, is_folder=is_folder, to=text(target.path))

    def _ask(
        self, place: Place, path: bytes, direction: str, *, size: int = 0, is_folder: bool = False, to: str = ""
    ) -> int:
        """The size up to which the answer holds; -1 for any. Raises Refused."""
        if not self._is_governed:
            return -1
        asked = text(os.path.abspath(path))
        facts = {"path": text(place.path), "asked": asked, "size": size, "folder": is_folder, "to": to}
        self._say({"do": "ask", "direction": direction, **facts})
        answer = json.loads(self._hear())
        if not answer["allowed"]:
            self._note(answer["reason"])
            raise Refused(answer["reason"])
        return int(answer["limit"])

    def _ask_about(self, file: OpenFile, direction: str, size: int) -> None:
        place = Place(None, b"", file.place)
        file.limits[direction] = self._ask(place, file.path, direction, size=size)

    def _check_size(self, file: OpenFile, direction: str, size: int) -> None:
        limit = file.limits.get(direction, 0)
        if limit >= 0 and size > limit:
            self._ask_about(file, direction, size)

    def _note(self, reason: str) -> None:
        """To the person: most clients show a word of their own for a refusal, and what comes as an error output."""
        self._notes += 1
        if self._notes <= _MAX_NOTES:
            os.write(2, f"teleport: {reason}\n".encode("utf-8", "replace"))

    # -- what the agent is told

    @contextmanager
    def _told(self, action: int, path: bytes, target: bytes = b"", **facts: Any) -> Iterator[dict[str, Any]]:
        try:
            yield facts
        except Refused:
            raise  # the agent knows
        except OSError as error:
            self._tell(action, path, target, **facts, error=words(error))
            raise
        self._tell(action, path, target, **facts)

    def _tell(self, action: int, path: bytes, target: bytes = b"", **facts: int | str) -> None:
        if self._link is not None:
            self._link.send(told(action, text(path), text(target), facts))

    def _say(self, message: dict[str, object]) -> None:
        assert self._link is not None
        self._link.send(json.dumps(message).encode())

    def _hear(self) -> bytes:
        assert self._link is not None
        answer = self._link.recv(_MAX_ANSWER)
        if not answer:
            raise BrokenPipeError(errno.EPIPE, "the agent has gone")
        return answer


def told(action: int, path: str, target: str, facts: Mapping[str, int | str]) -> bytes:
    """The message that tells of an action. Numbers and texts only, laid out in half the time `dumps` takes."""
    more = "".join(f',"{name}":{quoted(value) if isinstance(value, str) else value}' for name, value in facts.items())
    return f'{{"do":"tell","action":{action},"path":{quoted(path)},"target":{quoted(target)}{more}}}'.encode("ascii")


def change(target: bytes | int, given: Attributes, *, follow: bool = True) -> None:
    """Size, mode, times, owner, in that order, as OpenSSH does."""
    if SIZE_FLAG in given:
        os.truncate(target, given[SIZE_FLAG][0])
    if MODE_FLAG in given and follow:
        os.chmod(target, given[MODE_FLAG][0] & 0o7777)
    if TIME_FLAG in given:
        accessed, modified = given[TIME_FLAG]
        os.utime(target, (accessed, modified), follow_symlinks=follow)
    if OWNER_FLAG in given:
        user, group = given[OWNER_FLAG]
        os.chown(target, user, group, follow_symlinks=follow)


def move_to_nothing(source: Place, target: Place) -> None:
    """What is there already is not replaced."""
    found = source.look()
    if found is not None and stat.S_ISREG(found.st_mode):
        try:
            hard_link(source, target)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
        else:
            os.unlink(source.name, dir_fd=source.folder)
            return
    if target.look() is not None:
        raise FileExistsError(errno.EEXIST, "")
    os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def hard_link(source: Place, target: Place) -> None:
    os.link(
        source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder, follow_symlinks=False
    )  # fmt: skip


def held(descriptor: int | None) -> bytes:
    """A path to what is held open, whatever is where it was."""
    return b"/proc/self/fd/%d" % (-1 if descriptor is None else descriptor)


def where(descriptor: int) -> bytes:
    """Where an open file is; empty where the system does not tell."""
    try:
        return os.readlink(held(descriptor))
    except OSError:
        return b""


def words(error: OSError) -> str:
    """Short, in lower case, the same for each sort of failure."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.EBADF | errno.ELOOP:
            return "no such file"
        case errno.EPERM | errno.EACCES | errno.EFAULT:
            return "permission denied"
        case None:
            return "failure"
        case number:
            return os.strerror(number).lower()


def real(path: str) -> bytes:
    return os.path.realpath(os.fsencode(path))


def text(path: bytes) -> str:
    """A character for each byte, so that every path goes through JSON without loss."""
    return path[:MAX_TOLD].decode("latin-1")
