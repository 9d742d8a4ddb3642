"""Two sockets joined: bytes move both ways, small ones by copy, bulk by splice(2), until both directions ended.

Used by one thread at a time. Descriptors are watched edge-triggered, so each end remembers whether it may be read or
written, and only a call that would block takes that back.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Literal

from teleport.net.handoff import HandedOff
from teleport.net.relay_calls import Room
from teleport.net.relay_transfer import EndReason, Transfer

TURN_LIMIT = 1 << 20  # bytes one direction may move before others have their turn
COPY_SIZE = 64 * 1024

_BULK_READ = 32 * 1024
_SPLICE_SIZE = 1024 * 1024
_SMALL_SPLICE = 4096
_SET_PIPE_SIZE = 1031
_SPLICE_FLAGS = getattr(os, "SPLICE_F_MOVE", 1) | getattr(os, "SPLICE_F_NONBLOCK", 2)

Outcome = Literal["blocked", "ended", "more"]


class SideLost(Exception):
    """A socket of a flow failed: the one read from, or the one written to."""

    def __init__(self, side: Literal["source", "target"]) -> None:
        self.side = side


class End:
    """One socket of a flow."""

    __slots__ = ("fd", "has_hung_up", "may_read", "may_write", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.forget()

    def forget(self) -> None:
        """Nothing is known until epoll tells, which it does at once for a newly watched descriptor."""
        self.may_read = False
        self.may_write = False
        self.has_hung_up = False


class Pipes:
    """Free pipes of one thread; a direction holds one only while bytes are in it."""

    __slots__ = ("_free",)

    def __init__(self) -> None:
        self._free: list[tuple[int, int]] = []

    def take(self) -> tuple[int, int]:
        if self._free:
            return self._free.pop()
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # past the user's limit the kernel gives smaller ones
            fcntl.fcntl(pipe[0], _SET_PIPE_SIZE, _SPLICE_SIZE)
        return pipe

    def give_back(self, pipe: tuple[int, int]) -> None:
        if len(self._free) < 16:
            self._free.append(pipe)
        else:
            close_pipe(pipe)

    def close(self) -> None:
        while self._free:
            close_pipe(self._free.pop())


def close_pipe(pipe: tuple[int, int]) -> None:
    for descriptor in pipe:
        os.close(descriptor)


class Course:
    """One direction of a flow."""

    __slots__ = ("_can_splice", "_held", "_in_pipe", "_is_bulk", "_pipe", "has_ended", "moved", "source", "target")

    def __init__(self, source: End, target: End, leftover: bytes) -> None:
        self.source = source
        self.target = target
        self.moved = 0
        self.has_ended = False
        self._held = leftover
        self._pipe: tuple[int, int] | None = None
        self._in_pipe = 0
        self._is_bulk = False
        self._can_splice = hasattr(os, "splice")

    @property
    def is_done(self) -> bool:
        return self.has_ended and not self._held and not self._in_pipe

    def move(self, room: Room, pipes: Pipes) -> Outcome:
        """Move bytes until one side would block, the source ends, or the turn's limit. Raises SideLost."""
        limit = self.moved + TURN_LIMIT
        while self.moved < limit:
            if self._held or self._in_pipe:
                if not self.target.may_write:
                    return "blocked"
                if not (self._write_held() if self._held else self._write_pipe(pipes)):
                    return "blocked"
            elif self.has_ended:
                return "ended"
            elif not self.source.may_read:
                return "blocked"
            elif self._is_bulk and self._can_splice:
                self._read_by_splice(pipes)
            else:
                self._read_by_copy(room)
        return "more"

    def abandon(self) -> None:
        """No more bytes go this way; those under way are forgotten."""
        self.has_ended = True
        self._held = b""
        if self._pipe is not None:
            close_pipe(self._pipe)
            self._pipe = None
            self._in_pipe = 0

    def finish(self) -> None:
        """The source gives no more; what is under way is still delivered."""
        self.has_ended = True
        self._end_behind_bytes()

    def look_again(self) -> None:
        """Read the source to its end without waiting to be told."""
        self.source.may_read = True
        self.source.has_hung_up = True

    def _read_by_copy(self, room: Room) -> None:
        source = self.source
        try:
            count = room.receive(source.fd)
        except (BlockingIOError, InterruptedError):
            source.may_read = False
            return
        except OSError as problem:
            raise SideLost("source") from problem
        if not count:
            self.finish()
            return
        if count < room.size and not source.has_hung_up:
            source.may_read = False  # a short read drained it; the next byte makes a new edge
        self._is_bulk = count >= _BULK_READ
        sent = self._write_read(room, count) if self.target.may_write else 0
        if sent < count:
            self._held = room.copy(sent, count)  # the room serves the next flow

    def _write_read(self, room: Room, count: int) -> int:
        """How many of the bytes that were just read are on their way."""
        try:
            sent = room.send(self.target.fd, count)
        except (BlockingIOError, InterruptedError):
            self.target.may_write = False
            return 0
        except OSError as problem:
            raise SideLost("target") from problem
        self.moved += sent
        return sent

    def _read_by_splice(self, pipes: Pipes) -> None:
        if self._pipe is None:
            self._pipe = pipes.take()
        try:
            count = os.splice(self.source.fd, self._pipe[1], _SPLICE_SIZE, flags=_SPLICE_FLAGS)
        except (BlockingIOError, InterruptedError):
            self.source.may_read = False
            self._free_pipe(pipes)
            return
        except OSError as problem:
            if not _is_unsupported(problem):
                raise SideLost("source") from problem
            self._can_splice = False
            self._free_pipe(pipes)
            return
        if not count:
            self._free_pipe(pipes)
            self.finish()
            return
        self._in_pipe = count
        self._is_bulk = count >= _SMALL_SPLICE

    def _write_held(self) -> bool:
        try:
            sent = self.target.sock.send(self._held)
        except (BlockingIOError, InterruptedError):
            self.target.may_write = False
            return False
        except OSError as problem:
            raise SideLost("target") from problem
        self._held = self._held[sent:]
        self.moved += sent
        self._end_behind_bytes()
        return True

    def _write_pipe(self, pipes: Pipes) -> bool:
        assert self._pipe is not None
        try:
            sent = os.splice(self._pipe[0], self.target.fd, self._in_pipe, flags=_SPLICE_FLAGS)
        except (BlockingIOError, InterruptedError):
            self.target.may_write = False
            return False
        except OSError as problem:
            raise SideLost("target") from problem
        self._in_pipe -= sent
        self.moved += sent
        if not self._in_pipe and not self._is_bulk:
            self._free_pipe(pipes)
        self._end_behind_bytes()
        return True

    def _free_pipe(self, pipes: Pipes) -> None:
        if self._pipe is not None:
            pipes.give_back(self._pipe)
            self._pipe = None

    def _end_behind_bytes(self) -> None:
        if self.is_done:
            with contextlib.suppress(OSError):  # the other side may have gone first
                self.target.sock.shutdown(socket.SHUT_WR)


def _is_unsupported(problem: OSError) -> bool:
    return problem.errno in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class Flow:
    """A pair of joined sockets, owned by a relay until it ended."""

    __slots__ = (
        "a",
        "b",
        "courses",
        "idle_limit",
        "lane",
        "last_moved",
        "on_end",
        "sample",
        "seen",
        "was_lost",
    )

    def __init__(
        self, a: HandedOff, b: HandedOff, idle_limit: float | None, on_end: Callable[[Transfer], None] | None
    ) -> None:
        self.a = End(a.sock)
        self.b = End(b.sock)
        self.courses = (Course(self.a, self.b, a.leftover), Course(self.b, self.a, b.leftover))
        self.idle_limit = idle_limit
        self.on_end = on_end
        self.last_moved = 0.0
        self.sample = 0
        self.seen = 0  # of what moved, by the thread that owns it
        self.was_lost = False
        self.lane: object = None  # the thread that owns it now

    @property
    def moved(self) -> int:
        return self.courses[0].moved + self.courses[1].moved

    @property
    def is_done(self) -> bool:
        return self.courses[0].is_done and self.courses[1].is_done

    def advance(self, room: Room, pipes: Pipes) -> bool:
        """Move bytes both ways; True when a turn's limit was reached and there is more to do at once."""
        has_more = False
        for course in self.courses:
            try:
                has_more |= course.move(room, pipes) == "more"
            except SideLost as lost:
                self.was_lost = True
                back = self.courses[0] if course is self.courses[1] else self.courses[1]
                course.abandon() if lost.side == "target" else course.finish()
                # what a failed socket sent before may still be read from it; nothing can be written to it
                back.abandon() if lost.side == "source" else back.look_again()
                has_more = True
        return has_more

    def end(self, reason: EndReason) -> Transfer:
        """Close both sockets. The caller has stopped watching them."""
        for course in self.courses:
            course.abandon()
        self.a.sock.close()
        self.b.sock.close()
        return Transfer(self.courses[0].moved, self.courses[1].moved, reason)
