"""The host's own books of who is logged in: utmp, wtmp and lastlog, as glibc lays them out.

Books that are not there are not begun, and a host that keeps none, or lets us write none, goes without.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import platform
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from teleport.engines.host_offers import LoginFiles
from teleport.foundation.logs import get_logger

log = get_logger("ssh.records")

_USER, _DEAD = 7, 8
_LIVING: Final = (5, 6, 7, 8)
_LOCK_ATTEMPTS, _LOCK_PAUSE = 20, 0.05
_HAS_NARROW_TIMES: Final = {"x86_64": True, "i386": True, "i686": True, "aarch64": False}
"""Machines whose layout is known, and whether their times have 32 bits so that old programs may read them."""
_MACHINE = platform.machine()
_IS_NARROW = _HAS_NARROW_TIMES.get(_MACHINE, True)
# type, pid, line, id, user, host, exit status (2), session, seconds, microseconds, address, unused
_RECORD = struct.Struct("=h2xi32s4s32s256shhiii16s20s" if _IS_NARROW else "=h2xi32s4s32s256shhqqq16s20s4x")
_LAST = struct.Struct("=i32s256s" if _IS_NARROW else "=q32s256s")


@dataclass(frozen=True)
class LastLogin:
    when: datetime
    host: str

    def __str__(self) -> str:
        return f"Last login: {self.when:%a %b %e %H:%M:%S %Y}" + (f" from {self.host}" if self.host else "")


class LoginRecord:
    """One session on a terminal. Every call waits for files: use a thread."""

    def __init__(self, files: LoginFiles, terminal: str, user: str, uid: int, host: str) -> None:
        self._files = files
        self._line = terminal.removeprefix("/dev/")
        self._user = user
        self._uid = uid
        self._host = host
        self._pid = 0

    def last(self) -> LastLogin | None:
        """The login before this one."""
        try:
            with open(self._files.lastlog, "rb") as file:
                file.seek(self._uid * _LAST.size)
                seconds, _, host = _LAST.unpack(file.read(_LAST.size))
        except (OSError, struct.error):
            return None
        if not seconds:
            return None
        return LastLogin(datetime.fromtimestamp(seconds).astimezone(), _text(host))

    def begin(self, pid: int, now: float) -> None:
        self._pid = pid
        self._tell(_USER, now)
        entry = _LAST.pack(int(now), self._line.encode()[:32], self._host.encode()[:256])
        place = self._uid * _LAST.size
        _change(self._files.lastlog, os.O_RDWR, lambda descriptor: os.pwrite(descriptor, entry, place))

    def end(self, now: float) -> None:
        if self._pid:
            self._tell(_DEAD, now)

    def _tell(self, kind: int, now: float) -> None:
        record = self._record(kind, now)
        utmp, wtmp = self._files.utmp, self._files.wtmp
        _change(utmp, os.O_RDWR, lambda descriptor: os.pwrite(descriptor, record, self._place(descriptor)))
        _change(wtmp, os.O_WRONLY | os.O_APPEND, lambda descriptor: os.write(descriptor, record))

    def _record(self, kind: int, now: float) -> bytes:
        is_user = kind == _USER
        return _RECORD.pack(
            kind, self._pid, self._line.encode()[:32], self._identifier, self._user.encode()[:32] if is_user else b"",
            self._host.encode()[:256] if is_user else b"", 0, 0, self._pid, int(now), int(now % 1 * 1_000_000),
            _address(self._host) if is_user else b"", b"",
        )  # fmt: skip

    @property
    def _identifier(self) -> bytes:
        return self._line.encode()[-4:]

    def _place(self, descriptor: int) -> int:
        """Where the record of this terminal is, else the end."""
        offset = 0
        while len(found := os.pread(descriptor, _RECORD.size, offset)) == _RECORD.size:
            kind, _, _, identifier, *_ = _RECORD.unpack(found)
            if kind in _LIVING and identifier.rstrip(b"\0") == self._identifier:
                return offset
            offset += _RECORD.size
        return offset


def _change(path: Path, flags: int, change: Callable[[int], object]) -> None:
    """Change a book that is there, alone. Nothing is told of one that is not, or is not ours to write."""
    if _MACHINE not in _HAS_NARROW_TIMES:
        return
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _lock(descriptor)
            change(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES, errno.EROFS):
            log.warning("a login record cannot be written", path=path, error=error)


def _lock(descriptor: int) -> None:
    for _ in range(_LOCK_ATTEMPTS):
        with contextlib.suppress(BlockingIOError, PermissionError):
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_LOCK_PAUSE)
    raise OSError(errno.EAGAIN, "somebody else holds it")


def _address(host: str) -> bytes:
    try:
        return ipaddress.ip_address(host).packed
    except ValueError:
        return b""


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
