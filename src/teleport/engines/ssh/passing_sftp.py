"""SFTP, version 3, as it passes between a client and the server of another host (draft-ietf-secsh-filexfer-02,
OpenSSH PROTOCOL section 4).

Every request is told with its outcome, every file with the bytes that were carried and their hash. Where rules
govern, a request waits until the server has said where its path leads and what is there; it is asked for by that
path, and an open file is given out only once the path was found to lead there still.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import Final

from teleport.engines.ssh import remote_paths
from teleport.engines.ssh import sftp_server as sftp
from teleport.engines.ssh.file_desk import (
    CLOSE,
    LINK,
    MKDIR,
    OPEN,
    OPENDIR,
    READDIR,
    REMOVE,
    RENAME,
    RMDIR,
    SETSTAT,
    SYMLINK,
)
from teleport.engines.ssh.file_link import Bases, Told
from teleport.engines.ssh.passing import (
    Broken,
    Carried,
    Clerk,
    Direction,
    Sides,
    Step,
    question,
    text,
)
from teleport.engines.ssh.passing_exchange import PASSED, SftpExchange, TakeRequest
from teleport.engines.ssh.remote_paths import Asked, Found, Unresolved, shown_words
from teleport.engines.ssh.sftp_server import Malformed, Reader, string

MAX_HANDLES: Final = 4096
MAX_HANDLE: Final = 256
MAX_NOTES: Final = 20
_READS, _WRITES, _APPENDS, _TRUNCATES, _CREATES = 1, 2, 4, 16, 8
_ATTRIBUTE_KINDS: Final = (sftp.LSTAT, sftp.STAT, sftp.FSTAT)
_NAME_KINDS: Final = (sftp.REALPATH, sftp.READLINK)
_number = struct.Struct(">I")


class Refusal(Exception):
    """Rules forbid it, which the log knows."""


class Handle:
    """What the server gave for an open file or folder. `limits`: how large a file may be, before rules are asked."""

    def __init__(self, path: bytes, *, is_file: bool, number: int, flags: int = 0) -> None:
        self.path = path
        self.is_file = is_file
        self.flags = flags
        self.carried = Carried(path, number)
        self.found = Found(path)
        self.size = 0
        self.limits: dict[Direction, int] = {}
        self.is_listed = False


class SftpPassage(SftpExchange):
    """What is asked for in an SFTP conversation that passes: decided and told."""

    def __init__(self, sides: Sides, clerk: Clerk, *, has_links_first: bool = False) -> None:
        """`has_links_first`: the client names a new link before its target, as the draft has it."""
        super().__init__(sides)
        self._clerk = clerk
        self._has_links_first = has_links_first
        self._files = 0
        self._notes = 0
        self._home = ""
        self._handles: dict[bytes, Handle] = {}
        self._opening = 0
        self._requests = {
            sftp.OPEN: self._open,
            sftp.CLOSE: self._close,
            sftp.READ: self._read,
            sftp.WRITE: self._write,
            sftp.SETSTAT: self._setstat,
            sftp.FSETSTAT: self._fsetstat,
            sftp.OPENDIR: self._opendir,
            sftp.READDIR: self._readdir,
            sftp.REMOVE: lambda number, request, body: self._change(REMOVE, sftp.REMOVE, number, request, body),
            sftp.MKDIR: lambda number, request, body: self._change(MKDIR, sftp.MKDIR, number, request, body),
            sftp.RMDIR: lambda number, request, body: self._change(RMDIR, sftp.RMDIR, number, request, body),
            sftp.RENAME: lambda number, request, body: self._move(RENAME, sftp.RENAME, b"", number, request, body),
            sftp.SYMLINK: self._symlink,
            sftp.EXTENDED: self._extended,
            **{kind: self._lookup(kind) for kind in (*_ATTRIBUTE_KINDS, *_NAME_KINDS)},
        }

    def _settle(self) -> Step:
        """Where the login is at home, and where the folders really are that rules name."""
        ((kind, body),) = yield [(sftp.REALPATH, string(b"."))]
        self._home = os.fsdecode(remote_paths.read_path(kind, body)) if kind != sftp.STATUS else "/"
        bases = list(self._clerk.arrive(self._home))
        asks: list[Asked] = [(sftp.REALPATH, string(os.fsencode(base))) for base in bases]
        answers = yield asks
        if self._clerk.is_governed:
            self._clerk.learn(Bases(remote_paths.read_places(bases, answers)))

    # -- what rules say

    def _check(
        self, direction: Direction, found: Found, asked: bytes, size: int, *, is_folder: bool = False, to: bytes = b""
    ) -> int:
        """The size up to which the answer holds; -1 for any. Raises Refusal."""
        answer = self._clerk.answer(question(direction, found, asked, self._home, size, is_folder=is_folder, to=to))
        if answer.allowed:
            return answer.limit
        self._notes += 1
        if self._notes <= MAX_NOTES:
            self._sides.note(answer.reason)
        raise Refusal(answer.reason)

    def _check_size(self, handle: Handle, direction: Direction, size: int) -> None:
        limit = handle.limits.get(direction, 0)
        if limit < 0 or size <= limit:
            return
        handle.limits[direction] = self._check(direction, handle.found, handle.path, size)

    def _governed(
        self, number: int, action: int, step: Step, path: bytes, target: bytes = b"", flags: int = 0
    ) -> None:
        """Take a request in steps; whatever stands against it is answered and told."""

        def run() -> Step:
            try:
                yield from step
            except Refusal as refusal:
                self._refuse(number, sftp.PERMISSION_DENIED, str(refusal))
            except Unresolved as problem:
                code = problem.code if problem.code in sftp.WORDS and problem.code else sftp.FAILURE
                self._refuse(number, code, problem.reason)
                self._tell(action, path, target, flags=flags, error=problem.reason)

        self._begin(run())

    # -- files

    def _open(self, number: int, request: Reader, body: bytes) -> None:
        path, flags = request.path(), request.u32()
        rest = body[8 + _length(body) :]
        if len(self._handles) + self._opening >= MAX_HANDLES:
            self._refuse(number, sftp.FAILURE, "Too many open files")
            return
        self._files += 1
        handle = Handle(path, is_file=True, number=self._files, flags=flags)
        if self._clerk.is_governed:
            step = self._open_governed(number, handle, rest)
            self._governed(number, OPEN, step, path, flags=flags)
            return
        real: list[bytes] = []
        self._ask(sftp.REALPATH, string(path), self._take_real, real)
        self._opening += 1
        self._ask(sftp.OPEN, body, self._opened, number, handle, real)

    def _take_real(self, kind: int, body: bytes, real: list[bytes]) -> None:
        """Where the path leads, for the log; told by the server before it answers what comes behind."""
        with contextlib.suppress(Malformed):
            real.append(remote_paths.read_path(kind, body))

    def _opened(self, kind: int, body: bytes, number: int, handle: Handle, real: list[bytes]) -> None:
        self._opening -= 1
        if self._hold(kind, body, handle):
            self._tell_opened(handle, real[0] if real else b"")
        else:
            self._tell(OPEN, handle.path, flags=handle.flags, error=_error(kind, body))
        self._reply(number, kind, body)

    def _open_governed(self, number: int, handle: Handle, rest: bytes) -> Step:
        path, flags = handle.path, handle.flags
        found = yield from remote_paths.find(path)
        handle.found = found
        handle.size = 0 if flags & _TRUNCATES else found.file_size
        if flags & _READS or not flags & _WRITES:
            handle.limits["download"] = self._check("download", found, path, found.file_size)
        if flags & (_WRITES | _CREATES | _TRUNCATES | _APPENDS):
            handle.limits["upload"] = self._check("upload", found, path, handle.size)
        wanted = (sftp.OPEN, string(found.path) + _number.pack(flags) + rest)
        (kind, body), *looks = yield [wanted, *remote_paths.look_requests(found.path)]
        if not self._hold(kind, body, handle):
            self._tell(OPEN, path, flags=flags, error=_error(kind, body))
            self._reply(number, kind, body)
            return
        if remote_paths.read_look(found.path, looks).is_link:
            del self._handles[_handle(body)]
            yield [(sftp.CLOSE, body)]
            raise Unresolved(sftp.FAILURE, remote_paths.CHANGED)
        self._tell_opened(handle, found.path)
        self._reply(number, kind, body)

    def _hold(self, kind: int, body: bytes, handle: Handle) -> bool:
        """False when the server gave none."""
        if kind == sftp.STATUS:
            return False
        given = _handle(body) if kind == sftp.HANDLE else b""
        if not 0 < len(given) <= MAX_HANDLE or given in self._handles:
            raise Broken("the server gives a handle that is none")
        self._handles[given] = handle
        return True

    def _tell_opened(self, handle: Handle, real: bytes) -> None:
        self._tell(OPEN, handle.path, resolved=real, flags=handle.flags, file=handle.carried.number)

    def _held(self, number: int, request: Reader) -> Handle | None:
        """None for one that is not open, which is answered."""
        handle = self._handles.get(request.string())
        if handle is None:
            self._refuse(number, sftp.NO_SUCH_FILE, "No such handle")
        return handle

    def _close(self, number: int, request: Reader, body: bytes) -> None:
        handle = self._handles.pop(request.string(), None)
        if handle is None:
            self._refuse(number, sftp.NO_SUCH_FILE, "No such handle")
        else:
            self._ask(sftp.CLOSE, body, self._closed, number, handle)

    def _closed(self, kind: int, body: bytes, number: int, handle: Handle) -> None:
        error = _error(kind, body)
        if handle.is_file:
            self._tell_closed(handle, error)
        self._reply(number, kind, body)

    def _tell_closed(self, handle: Handle, error: str) -> None:
        carried = handle.carried
        self._clerk.take(
            Told(
                CLOSE, text(handle.path), file=carried.number, read=carried.read, written=carried.written,
                sha256=carried.sha256, error=error,
            )
        )  # fmt: skip

    def _read(self, number: int, request: Reader, body: bytes) -> None:
        handle = self._held(number, request)
        if handle is not None:
            offset, size = request.u64(), request.u32()
            self._ask(sftp.READ, body, self._have_read, number, handle, offset, size)

    def _have_read(self, kind: int, body: bytes, number: int, handle: Handle, offset: int, size: int) -> None:
        if kind == sftp.DATA:
            data = memoryview(body)[4:]
            if len(body) < 4 or _length(body) != len(data) or len(data) > size:
                raise Broken("the server gives more of a file than it was asked for")
            if self._clerk.is_governed:
                try:
                    self._check_size(handle, "download", offset + len(data))
                except Refusal as refusal:
                    self._refuse(number, sftp.PERMISSION_DENIED, str(refusal))
                    return
            handle.carried.read += len(data)
            handle.carried.given.take(offset, data)
        elif kind != sftp.STATUS:
            raise Broken("the server answers a read by something else")
        self._reply(number, kind, body)

    def _write(self, number: int, request: Reader, body: bytes) -> None:
        handle = self._held(number, request)
        if handle is None:
            return
        offset, data = request.u64(), request.view()
        carried = handle.carried
        is_appended = bool(handle.flags & _APPENDS)
        if self._clerk.is_governed:
            end = handle.size if is_appended else offset
            try:
                self._check_size(handle, "upload", end + len(data))
            except Refusal as refusal:
                carried.is_lost = True
                self._refuse(number, sftp.PERMISSION_DENIED, str(refusal))
                return
            handle.size = max(handle.size, end + len(data))
        carried.taken.take(carried.taken.size if is_appended else offset, data)
        self._ask(sftp.WRITE, body, self._have_written, number, carried, len(data))

    def _have_written(self, kind: int, body: bytes, number: int, carried: Carried, size: int) -> None:
        if kind != sftp.STATUS or _error(kind, body):
            carried.is_lost = True
        else:
            carried.written += size
        self._reply(number, kind, body)

    # -- attributes, folders and names

    def _lookup(self, kind: int) -> TakeRequest:
        def take(number: int, request: Reader, body: bytes) -> None:
            request.string()
            self._ask(kind, body, self._pass, number)

        return take

    def _pass(self, kind: int, body: bytes, number: int) -> None:
        _carries_nothing(kind)
        self._reply(number, kind, body)

    def _told(self, kind: int, body: bytes, number: int, action: int, path: bytes, target: bytes) -> None:
        _carries_nothing(kind)
        self._tell(action, path, target, error=_error(kind, body))
        self._reply(number, kind, body)

    def _setstat(self, number: int, request: Reader, body: bytes) -> None:
        self._set(number, request.path(), request, body[4 + _length(body) :], "")

    def _set(self, number: int, path: bytes, request: Reader, given: bytes, extension: str) -> None:
        """`extension` is set where links are not followed."""
        size = request.attributes().get(sftp.SIZE_FLAG)

        def wanted(where: bytes) -> Asked:
            if extension:
                return sftp.EXTENDED, string(extension.encode()) + string(where) + given
            return sftp.SETSTAT, string(where) + given

        if not self._clerk.is_governed:
            self._ask(*wanted(path), self._told, number, SETSTAT, path, b"")
            return

        def step() -> Step:
            found = yield from remote_paths.find(path, follow=not extension)
            self._check("upload", found, path, size[0] if size else found.file_size, is_folder=found.is_folder)
            ((kind, body),) = yield [wanted(found.path)]
            self._told(kind, body, number, SETSTAT, path, b"")

        self._governed(number, SETSTAT, step(), path)

    def _fsetstat(self, number: int, request: Reader, body: bytes) -> None:
        handle = self._held(number, request)
        if handle is None:
            return
        size = request.attributes().get(sftp.SIZE_FLAG)
        if self._clerk.is_governed:
            try:
                if size:
                    self._check_size(handle, "upload", size[0])
                elif "upload" not in handle.limits:
                    handle.limits["upload"] = self._check("upload", handle.found, handle.path, handle.size)
            except Refusal as refusal:
                self._refuse(number, sftp.PERMISSION_DENIED, str(refusal))
                return
        self._ask(sftp.FSETSTAT, body, self._told, number, SETSTAT, handle.path, b"")

    def _opendir(self, number: int, request: Reader, body: bytes) -> None:
        path = request.path()
        if len(self._handles) + self._opening >= MAX_HANDLES:
            self._refuse(number, sftp.FAILURE, "Too many open files")
            return
        self._opening += 1
        self._ask(sftp.OPENDIR, body, self._opened_folder, number, Handle(path, is_file=False, number=0))

    def _opened_folder(self, kind: int, body: bytes, number: int, handle: Handle) -> None:
        self._opening -= 1
        self._hold(kind, body, handle)
        self._told(kind, body, number, OPENDIR, handle.path, b"")

    def _readdir(self, number: int, request: Reader, body: bytes) -> None:
        handle = self._held(number, request)
        if handle is not None:
            self._ask(sftp.READDIR, body, self._listed, number, handle)

    def _listed(self, kind: int, body: bytes, number: int, handle: Handle) -> None:
        if kind == sftp.NAME and not handle.is_listed:
            handle.is_listed = True
            self._tell(READDIR, handle.path)
        _carries_nothing(kind)
        self._reply(number, kind, body)

    def _change(self, action: int, kind: int, number: int, request: Reader, body: bytes) -> None:
        path = request.path()
        rest = body[4 + _length(body) :]
        if not self._clerk.is_governed:
            self._ask(kind, body, self._told, number, action, path, b"")
            return

        def step() -> Step:
            found = yield from remote_paths.find(path, follow=False)
            self._check("upload", found, path, 0, is_folder=action != REMOVE)
            ((answer, told),) = yield [(kind, string(found.path) + rest)]
            self._told(answer, told, number, action, path, b"")

        self._governed(number, action, step(), path)

    def _move(self, action: int, kind: int, name: bytes, number: int, request: Reader, body: bytes) -> None:
        """A new name, or one more; `name` is that of the extension, if it is one."""
        old, new = request.path(), request.path()
        front = string(name) if name else b""
        if not self._clerk.is_governed:
            self._ask(kind, body, self._told, number, action, old, new)
            return

        def step() -> Step:
            source = yield from remote_paths.find(old, follow=False)
            target = yield from remote_paths.find(new, follow=False)
            if not source.mode:
                raise Unresolved(sftp.NO_SUCH_FILE, shown_words(sftp.NO_SUCH_FILE))
            if source.is_link:
                written = yield from remote_paths.read_link(source.path)
                yield from self._check_link(target.path, new, written)
            self._check("move", source, old, source.file_size, is_folder=source.is_folder, to=target.path)
            ((answer, told),) = yield [(kind, front + string(source.path) + string(target.path))]
            self._told(answer, told, number, action, old, new)

        self._governed(number, action, step(), old, new)

    def _symlink(self, number: int, request: Reader, body: bytes) -> None:
        """OpenSSH sends the target first, against the draft, and so does the log."""
        target, link = request.path(), request.path()
        if self._has_links_first:
            target, link = link, target
        if not self._clerk.is_governed:
            self._ask(sftp.SYMLINK, string(target) + string(link), self._told, number, SYMLINK, target, link)
            return

        def step() -> Step:
            place = yield from remote_paths.find(link, follow=False)
            yield from self._check_link(place.path, link, target)
            ((kind, body),) = yield [(sftp.SYMLINK, string(target) + string(place.path))]
            self._told(kind, body, number, SYMLINK, target, link)

        self._governed(number, SYMLINK, step(), target, link)

    def _check_link(self, place: bytes, asked: bytes, target: bytes) -> Step:
        """A link at `place`, of which the target is written so. Raises Refusal."""
        leads = yield from remote_paths.leads(place, target)
        size, to = (leads.file_size, leads.path) if leads is not None else (0, b"")
        self._check("link", Found(place), asked, size, to=to)

    def _extended(self, number: int, request: Reader, body: bytes) -> None:
        name = request.string()
        match name:
            case b"posix-rename@openssh.com":
                self._move(RENAME, sftp.EXTENDED, name, number, request, body)
            case b"hardlink@openssh.com":
                self._move(LINK, sftp.EXTENDED, name, number, request, body)
            case b"lsetstat@openssh.com":
                path = request.path()
                rest = body[4 + _length(body) :]
                self._set(number, path, request, rest[4 + _length(rest) :], name.decode())
            case b"limits@openssh.com":
                self._ask(sftp.EXTENDED, body, self._limited, number)
            case _ if name in PASSED:
                self._ask(sftp.EXTENDED, body, self._pass, number)
            case _:
                self._refuse(number, sftp.UNSUPPORTED, "Operation unsupported")

    def _limited(self, kind: int, body: bytes, number: int) -> None:
        """No larger packets than are taken here; 0 is no limit."""
        if kind == sftp.EXTENDED_REPLY:
            ours = (sftp.MAX_PACKET, sftp.MAX_DATA, sftp.MAX_DATA, MAX_HANDLES)
            theirs = struct.unpack(">QQQQ", body) if len(body) == 32 else (0, 0, 0, 0)
            body = struct.pack(">QQQQ", *(min(a, b) if b else a for a, b in zip(ours, theirs, strict=True)))
        self._reply(number, kind, body)

    # -- the log

    def _tell(
        self, action: int, path: bytes, target: bytes = b"", *, resolved: bytes = b"", flags: int = 0, file: int = 0,
        error: str = "",
    ) -> None:  # fmt: skip
        self._clerk.take(
            Told(
                action, text(path), target=text(target), resolved=text(resolved), flags=flags, file=file,
                error=error[:200],
            )
        )  # fmt: skip


def _length(body: bytes) -> int:
    """Of the string that it begins with."""
    return int.from_bytes(body[:4], "big")


def _carries_nothing(kind: int) -> None:
    """Bytes of files come as answers to reads alone, or they would be seen by nobody."""
    if kind == sftp.DATA:
        raise Broken("the server gives of a file what it was not asked for")


def _handle(body: bytes) -> bytes:
    return Reader(memoryview(body)).string()


def _error(kind: int, body: bytes) -> str:
    """What an answer says went wrong; empty when it went well."""
    if kind != sftp.STATUS:
        return ""
    code = _length(body)
    return "" if len(body) >= 4 and code == sftp.OK else shown_words(code)
