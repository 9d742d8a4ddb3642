"""What a server of files answers, on its way to the agent through a pipe.

It runs in a process of the host user's own, and imports nothing of ours. Short answers are gathered and sent
together. A long one is lent: its pages are put into the pipe themselves (vmsplice), which spares the kernel half of
the work, and are written to again only when the agent has taken them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import termios
from typing import Any

TOGETHER = 256 << 10
"""Bytes of answers that are worth sending at once."""
ALONE = 64 << 10
"""An answer of so many bytes goes as it is, without a copy."""
MOST_ROOMS = 4
"""The agent's pipe holds two of the longest answers; one is under way, and one is filled."""
_count = struct.Struct("i")


class _Piece(ctypes.Structure):
    """A `struct iovec`."""

    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def _vmsplice() -> Any:
    """None where the system has no such call."""
    try:
        call = ctypes.CDLL(None, use_errno=True).vmsplice
    except (OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.POINTER(_Piece), ctypes.c_ulong, ctypes.c_uint)
    call.restype = ctypes.c_ssize_t
    return call


_put_pages = _vmsplice()


class _Room:
    """A place for an answer. It is taken until the agent has read up to `end` of all that was ever sent."""

    __slots__ = ("end", "view")

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
        self.end = 0


class Answers:
    """Owns the way out. `room` gives a place of `size` bytes for a long answer, good until the next is asked for."""

    def __init__(self, sink: int, size: int) -> None:
        self._sink = sink
        self._size = size
        self._rooms: list[_Room] = []
        self._copied: _Room | None = None
        self._current: _Room | None = None
        self._sent = 0
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._may_lend = _put_pages is not None

    def room(self) -> memoryview:
        self._current = self._free_room()
        if self._current is not None:
            return self._current.view
        if self._copied is None:
            self._copied = _Room(self._size)
        return self._copied.view

    def _free_room(self) -> _Room | None:
        """None when what is sent next has to be copied."""
        if not self._may_lend:
            return None
        if self._rooms and (not self._rooms[0].end or self._rooms[0].end <= self._taken()):
            self._rooms.append(self._rooms.pop(0))
            return self._rooms[-1]
        if len(self._rooms) == MOST_ROOMS:
            return None
        self._rooms.append(_Room(self._size))
        return self._rooms[-1]

    def _taken(self) -> int:
        """How many bytes the agent has read of all that was sent."""
        (unread,) = _count.unpack(fcntl.ioctl(self._sink, termios.FIONREAD, bytes(_count.size)))
        return self._sent - int(unread)

    def add(self, answer: bytes | memoryview) -> None:
        """A view must be one of the room given last; it has gone when this returns."""
        if len(answer) > ALONE:
            self.send()
            if isinstance(answer, memoryview) and self._current is not None:
                self._lend(self._current, answer)
            else:
                self._write(answer)
            return
        self._waiting.append(bytes(answer))
        self._waiting_size += len(answer)
        if self._waiting_size >= TOGETHER:
            self.send()

    def send(self) -> None:
        """What was gathered."""
        if self._waiting:
            self._write(b"".join(self._waiting))
            self._waiting, self._waiting_size = [], 0

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            sent = os.write(self._sink, view)
            self._sent += sent
            view = view[sent:]

    def _lend(self, room: _Room, data: memoryview) -> None:
        address, left = ctypes.addressof(ctypes.c_char.from_buffer(data)), len(data)
        while left:
            sent = _put_pages(self._sink, ctypes.byref(_Piece(address, left)), 1, 0)
            if sent < 0:
                problem = ctypes.get_errno()
                if problem == errno.EINTR:
                    continue
                if problem in (errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.EPERM):  # no pipe, or not allowed here
                    self._may_lend = False
                    self._write(data[len(data) - left :])
                    return
                raise OSError(problem, os.strerror(problem))
            self._sent += sent
            address, left = address + sent, left - sent
            room.end = self._sent
