"""An SFTP server, version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, over standard input and output.

It runs in a process of the host user's own, forked by `child`, and does only what the system lets that user do, over
the desk that tells and asks the agent (`file_desk`). It imports nothing of ours. Requests that arrive together are
answered together.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teleport.engines.ssh.answers import Answers
    from teleport.engines.ssh.file_desk import Desk, OpenFile

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK, EXTENDED = 13, 14, 15, 16, 17, 18, 19, 20, 200
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED_REPLY = 101, 102, 103, 104, 105, 201
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
SIZE_FLAG, OWNER_FLAG, MODE_FLAG, TIME_FLAG, EXTENDED_FLAG = 1, 2, 4, 8, 0x80000000
MAX_PACKET = 256 << 10
MAX_DATA = 255 << 10
LONGEST = MAX_PACKET + 1024
"""A packet of a client that is beyond this is none."""
MAX_HANDLES = 1000
ENTRIES = 100
ROOM = 1 << 20
"""For requests that have come: some of the longest, so that few have to be moved to its beginning."""
LONGEST_ANSWER = 13 + MAX_DATA
"""Bytes of a file, behind what `_data_head` lays out."""
EXTENSIONS = {
    b"posix-rename@openssh.com": b"1",
    b"statvfs@openssh.com": b"2",
    b"fstatvfs@openssh.com": b"2",
    b"hardlink@openssh.com": b"1",
    b"fsync@openssh.com": b"1",
    b"copy-data": b"1",
    b"lsetstat@openssh.com": b"1",
    b"limits@openssh.com": b"1",
}
CODES = {
    errno.ENOENT: NO_SUCH_FILE,
    errno.ENOTDIR: NO_SUCH_FILE,
    errno.EBADF: NO_SUCH_FILE,
    errno.ELOOP: NO_SUCH_FILE,
    errno.EPERM: PERMISSION_DENIED,
    errno.EACCES: PERMISSION_DENIED,
    errno.EFAULT: PERMISSION_DENIED,
    errno.ENAMETOOLONG: BAD_MESSAGE,
    errno.EINVAL: BAD_MESSAGE,
    errno.ENOSYS: UNSUPPORTED,
}
WORDS = {
    OK: b"Success",
    EOF: b"End of file",
    NO_SUCH_FILE: b"No such file",
    PERMISSION_DENIED: b"Permission denied",
    FAILURE: b"Failure",
    BAD_MESSAGE: b"Bad message",
    UNSUPPORTED: b"Operation unsupported",
}
_u32 = struct.Struct(">I")
_u64 = struct.Struct(">Q")
_data_head = struct.Struct(">IBII")
"""Of an answer with bytes of a file: size, kind, number of the request, size of the bytes."""


class Malformed(Exception):
    """A packet that is not what it says."""


class Reader:
    """Takes fields off a packet."""

    def __init__(self, packet: memoryview, at: int = 0) -> None:
        self._packet = packet
        self._at = at

    def _take(self, size: int) -> memoryview:
        end = self._at + size
        if end > len(self._packet):
            raise Malformed
        taken = self._packet[self._at : end]
        self._at = end
        return taken

    def _number(self, kind: struct.Struct) -> int:
        at = self._at
        self._at += kind.size
        if self._at > len(self._packet):
            raise Malformed
        (found,) = kind.unpack_from(self._packet, at)
        return int(found)

    def u32(self) -> int:
        return self._number(_u32)

    def u64(self) -> int:
        return self._number(_u64)

    def view(self) -> memoryview:
        return self._take(self.u32())

    def string(self) -> bytes:
        return bytes(self.view())

    def path(self) -> bytes:
        """An empty path is the folder the session began in; a NUL is no part of any."""
        path = self.string() or b"."
        if b"\0" in path:
            raise OSError(errno.EINVAL, "")
        return path

    def attributes(self) -> dict[int, tuple[int, ...]]:
        flags = self.u32()
        found: dict[int, tuple[int, ...]] = {}
        if flags & SIZE_FLAG:
            found[SIZE_FLAG] = (self.u64(),)
        if flags & OWNER_FLAG:
            found[OWNER_FLAG] = (self.u32(), self.u32())
        if flags & MODE_FLAG:
            found[MODE_FLAG] = (self.u32(),)
        if flags & TIME_FLAG:
            found[TIME_FLAG] = (self.u32(), self.u32())
        if flags & EXTENDED_FLAG:
            for _ in range(self.u32()):
                self.string()
                self.string()
        return found


class Folder:
    """A folder that is being listed."""

    def __init__(self, path: bytes, entries: list[bytes]) -> None:
        self.path = path
        self.entries: Iterator[bytes] = iter(entries)
        self.is_begun = False


class Server:
    """One conversation. `answer` takes a packet without its length and gives the packet to send, with it.

    What was read of a file is a view of a place that `room` gave, with room for the longest answer; without it, of a
    buffer that the next read fills anew.
    """

    def __init__(
        self, desk: Desk, *, has_links_first: bool = False, room: Callable[[], memoryview] | None = None
    ) -> None:
        self._desk = desk
        self._has_links_first = has_links_first
        self._handles: dict[bytes, OpenFile | Folder] = {}
        self._next = 0
        self._room = room or self._own_room
        self._buffer: memoryview | None = None
        self._operations: dict[int, Callable[[Reader], bytes | None]] = {
            OPEN: self._open,
            CLOSE: self._close,
            WRITE: self._write,
            LSTAT: lambda request: attributes(os.lstat(request.path())),
            STAT: lambda request: attributes(os.stat(request.path())),
            FSTAT: lambda request: attributes(os.fstat(self._file(request).descriptor)),
            SETSTAT: self._setstat,
            FSETSTAT: self._fsetstat,
            OPENDIR: self._opendir,
            READDIR: self._readdir,
            REMOVE: lambda request: desk.remove(request.path()),
            MKDIR: self._mkdir,
            RMDIR: lambda request: desk.remove_folder(request.path()),
            REALPATH: lambda request: name(resolved(request.path())),
            RENAME: self._rename,
            READLINK: lambda request: name(os.readlink(request.path())),
            SYMLINK: self._symlink,
            EXTENDED: self._extended,
        }

    def answer(self, packet: memoryview) -> bytes | memoryview:
        kind = packet[0]
        if kind == INIT:
            said = b"".join(string(name) + string(value) for name, value in EXTENSIONS.items())
            return framed(bytes((VERSION,)) + _u32.pack(3) + said)
        request = Reader(packet, 1)
        number = request.u32()
        try:
            if kind == READ:
                data = self._read(request, number)
                if data is not None:
                    return data
                body = status(EOF)
            else:
                operation = self._operations.get(kind)
                body = status(UNSUPPORTED) if operation is None else operation(request) or status(OK)
        except OSError as error:
            body = status(CODES.get(error.errno or 0, FAILURE), error)
        except (Malformed, ValueError, OverflowError):
            body = status(BAD_MESSAGE)
        return framed(body[:1] + _u32.pack(number) + body[1:])

    def _own_room(self) -> memoryview:
        if self._buffer is None:
            self._buffer = memoryview(bytearray(LONGEST_ANSWER))
        return self._buffer

    def close(self) -> None:
        for held in self._handles.values():
            if not isinstance(held, Folder):
                with contextlib.suppress(OSError):
                    self._desk.close(held)

    # -- files

    def _open(self, request: Reader) -> bytes:
        path, wanted, given = request.path(), request.u32(), request.attributes()
        self._check_room()
        flags = {1: os.O_RDONLY, 2: os.O_WRONLY, 3: os.O_RDWR}.get(wanted & 3, os.O_RDONLY)
        for bit, flag in ((4, os.O_APPEND), (8, os.O_CREAT), (16, os.O_TRUNC), (32, os.O_EXCL)):
            flags |= flag if wanted & bit else 0
        mode = given[MODE_FLAG][0] & 0o7777 if MODE_FLAG in given else 0o666
        return self._hold(self._desk.open(path, flags, mode, wanted))

    def _check_room(self) -> None:
        if len(self._handles) >= MAX_HANDLES:
            raise OSError(errno.EMFILE, "")

    def _hold(self, held: OpenFile | Folder) -> bytes:
        self._next += 1
        handle = _u32.pack(self._next)
        self._handles[handle] = held
        return bytes((HANDLE,)) + string(handle)

    def _file(self, request: Reader) -> OpenFile:
        held = self._handles.get(request.string())
        if held is None or isinstance(held, Folder):
            raise OSError(errno.EBADF, "")
        return held

    def _close(self, request: Reader) -> bytes:
        held = self._handles.pop(request.string(), None)
        if held is None:
            raise OSError(errno.EBADF, "")
        if not isinstance(held, Folder):
            self._desk.close(held)
        return status(OK)

    def _read(self, request: Reader, number: int) -> memoryview | None:
        """None at the end of the file."""
        file, offset, size = self._file(request), request.u64(), request.u32()
        head = _data_head.size
        answer = self._room()
        count = self._desk.read(file, offset, answer[head : head + min(size, MAX_DATA)])
        if size and not count:
            return None
        _data_head.pack_into(answer, 0, head - 4 + count, DATA, number, count)
        return answer[: head + count]

    def _write(self, request: Reader) -> bytes:
        self._desk.write(self._file(request), request.u64(), request.view())
        return status(OK)

    def _copy(self, request: Reader) -> bytes:
        """From one open file into another, without a way through the client; a length of 0 means up to the end."""
        source, offset, length = self._file(request), request.u64(), request.u64()
        target, place = self._file(request), request.u64()
        if source is target and (not length or max(offset, place) < min(offset, place) + length):
            raise OSError(errno.EBUSY, "")
        left, room = length or 1 << 64, self._room()
        while left:
            count = self._desk.read(source, offset, room[: min(left, MAX_DATA)])
            if not count:
                return status(EOF if length else OK)
            self._desk.write(target, place, room[:count])
            offset, place, left = offset + count, place + count, left - count
        return status(OK)

    # -- attributes

    def _setstat(self, request: Reader) -> None:
        path = request.path()
        self._desk.change(path, request.attributes())

    def _fsetstat(self, request: Reader) -> None:
        file = self._file(request)
        self._desk.change_open(file, request.attributes())

    # -- folders and names

    def _opendir(self, request: Reader) -> bytes:
        path = request.path()
        self._check_room()
        return self._hold(Folder(path, self._desk.listing(path)))

    def _readdir(self, request: Reader) -> bytes:
        folder = self._handles.get(request.string())
        if not isinstance(folder, Folder):
            raise OSError(errno.EBADF, "")
        if not folder.is_begun:
            folder.is_begun = True
            self._desk.listed(folder.path)
        found = []
        for entry in folder.entries:
            try:
                told = os.lstat(os.path.join(folder.path, entry))
            except OSError:
                continue  # it has gone since
            found.append(string(entry) + string(listed(entry, told)) + attributes(told)[1:])
            if len(found) == ENTRIES:
                break
        return bytes((NAME,)) + _u32.pack(len(found)) + b"".join(found) if found else status(EOF)

    def _mkdir(self, request: Reader) -> None:
        path, given = request.path(), request.attributes()
        self._desk.make_folder(path, given[MODE_FLAG][0] & 0o7777 if MODE_FLAG in given else 0o777)

    def _rename(self, request: Reader) -> None:
        """What is there already is not replaced."""
        old, new = request.path(), request.path()
        self._desk.rename(old, new, replace=False)

    def _symlink(self, request: Reader) -> None:
        """OpenSSH sends the target first, against the draft, and most follow; some only where OpenSSH serves."""
        target, link = request.path(), request.path()
        if self._has_links_first:
            target, link = link, target
        self._desk.symlink(target, link)

    def _extended(self, request: Reader) -> bytes | None:
        match request.string():
            case b"posix-rename@openssh.com":
                old, new = request.path(), request.path()
                self._desk.rename(old, new, replace=True)
            case b"hardlink@openssh.com":
                old, new = request.path(), request.path()
                self._desk.link(old, new)
            case b"fsync@openssh.com":
                os.fsync(self._file(request).descriptor)
            case b"copy-data":
                return self._copy(request)
            case b"lsetstat@openssh.com":
                path = request.path()
                self._desk.change(path, request.attributes(), follow=False)
            case b"statvfs@openssh.com":
                return file_system(os.statvfs(request.path()))
            case b"fstatvfs@openssh.com":
                return file_system(os.fstatvfs(self._file(request).descriptor))
            case b"limits@openssh.com":
                limits = struct.pack(">QQQQ", MAX_PACKET, MAX_DATA, MAX_DATA, MAX_HANDLES)
                return bytes((EXTENDED_REPLY,)) + limits
            case _:
                return status(UNSUPPORTED)
        return None


def resolved(path: bytes) -> bytes:
    """Absolute, without links; what is not there yet resolves as far as it is."""
    return os.path.realpath(path)


def status(code: int, error: OSError | None = None) -> bytes:
    words = WORDS.get(code, b"Failure")
    if code == FAILURE and error is not None and error.errno:
        words = os.strerror(error.errno).encode()
    elif reason := getattr(error, "reason", ""):  # of the rules that refuse it
        words = reason.encode("utf-8", "replace")
    return bytes((STATUS,)) + _u32.pack(code) + string(words) + string(b"")


def name(path: bytes) -> bytes:
    return bytes((NAME,)) + _u32.pack(1) + string(path) + string(path) + _u32.pack(0)


def attributes(told: os.stat_result) -> bytes:
    flags = SIZE_FLAG | OWNER_FLAG | MODE_FLAG | TIME_FLAG
    times = (max(0, int(told.st_atime)) & 0xFFFFFFFF, max(0, int(told.st_mtime)) & 0xFFFFFFFF)
    return bytes((ATTRS,)) + struct.pack(
        ">IQIIIII", flags, told.st_size, told.st_uid & 0xFFFFFFFF, told.st_gid & 0xFFFFFFFF, told.st_mode, *times
    )


def file_system(told: os.statvfs_result) -> bytes:
    flags = (1 if told.f_flag & os.ST_RDONLY else 0) | (2 if told.f_flag & os.ST_NOSUID else 0)
    numbers = (
        told.f_bsize, told.f_frsize, told.f_blocks, told.f_bfree, told.f_bavail, told.f_files, told.f_ffree,
        told.f_favail, getattr(told, "f_fsid", 0) & 0xFFFFFFFFFFFFFFFF, flags, told.f_namemax,
    )  # fmt: skip
    return bytes((EXTENDED_REPLY,)) + struct.pack(">11Q", *numbers)


_names: dict[tuple[str, int], str] = {}


def named(kind: str, number: int) -> str:
    """Of a user or a group; looked up once, the number where there is no name."""
    if (kind, number) not in _names:
        try:
            found = pwd.getpwuid(number).pw_name if kind == "user" else grp.getgrgid(number).gr_name
        except (KeyError, OverflowError):
            found = str(number)
        _names[kind, number] = found
    return _names[kind, number]


def listed(entry: bytes, told: os.stat_result) -> bytes:
    """As `ls -l` shows it."""
    when = time.localtime(told.st_mtime)
    recent = abs(time.time() - told.st_mtime) < 182 * 86400
    moment = time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", when)
    user, group = named("user", told.st_uid), named("group", told.st_gid)
    line = f"{stat.filemode(told.st_mode)} {told.st_nlink:>4} {user:<8} {group:<8} {told.st_size:>8} {moment} "
    return line.encode() + entry


def string(data: bytes) -> bytes:
    return _u32.pack(len(data)) + data


def framed(packet: bytes) -> bytes:
    return _u32.pack(len(packet)) + packet


def serve(desk: Desk, answers: Answers, source: int = 0, *, has_links_first: bool = False) -> int:
    """Answer until the client ends. The exit status: 0, or 11 for a client that does not speak SFTP."""
    server = Server(desk, has_links_first=has_links_first, room=answers.room)
    room, start, end = memoryview(bytearray(ROOM)), 0, 0
    try:
        while count := os.readv(source, (room[end:],)):
            end += count
            while end - start >= 4:
                (size,) = _u32.unpack_from(room, start)
                if not 1 <= size <= LONGEST:
                    return 11
                if end - start - 4 < size:
                    break
                answers.add(server.answer(room[start + 4 : start + 4 + size]))
                start += 4 + size
            answers.send()
            if start == end:
                start = end = 0
            elif ROOM - start < 4 + LONGEST:  # what has begun might not find room behind
                room[: end - start] = room[start:end]
                start, end = 0, end - start
    except (Malformed, BrokenPipeError):
        return 11
    finally:
        server.close()
    return 0
