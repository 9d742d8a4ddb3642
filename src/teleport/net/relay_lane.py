"""One thread that moves the bytes of many flows, woken by epoll."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from teleport.foundation.logs import get_logger
from teleport.net.relay_calls import Room
from teleport.net.relay_flow import COPY_SIZE, End, Flow, Pipes
from teleport.net.relay_transfer import EndReason, Transfer

log = get_logger("net:relay")

_WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_READ_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITE_EVENTS = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_HANG_UP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_TICK = 1.0
_BUSY_TICK = 0.1
_MAX_EVENTS = 256
_PLENTY = 512 << 10  # bytes in a turn that were worth waking up for
_WORTHWHILE = 256 << 10  # that a pause should bring, where the pace is known
_LONGEST = 5  # times `gather`
_LITTLE = 16 << 10  # bytes in a turn that are a question or an answer, for which others wait

Command = Callable[[], None]


class Lane:
    """Runs flows until told to let go of them. Methods without a leading underscore may be called by any thread.

    With `gather`, it lets so many seconds' bytes come together after a turn that moved few, and more while they come
    slowly: a bulk flow whose sender is no faster would else wake it for every packet.

    `on_end` is told of each flow that ended, `on_sample` of each flow that moved and how many bytes since the last
    look, a tenth of a second ago; both in the lane's thread.
    """

    def __init__(
        self,
        name: str,
        on_end: Callable[[Flow, Transfer], None],
        on_sample: Callable[[Lane, Flow, int], None],
        *,
        gather: float = 0.0,
    ) -> None:
        self.name = name
        self._gather = gather
        self._pause = gather
        self._on_end = on_end
        self._on_sample = on_sample
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._commands: deque[Command] = deque()
        self._ends: dict[int, tuple[End, Flow]] = {}
        self._flows: set[Flow] = set()
        self._again: dict[Flow, None] = {}
        self._moving: set[Flow] = set()
        self._room = Room(COPY_SIZE)
        self._pipes = Pipes()
        self._next_sweep = 0.0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __len__(self) -> int:
        return len(self._flows)

    def start(self) -> None:
        self._thread.start()

    def add(self, flow: Flow) -> None:
        self._tell(lambda: self._adopt(flow))

    def end(self, flow: Flow, reason: EndReason) -> None:
        self._tell(lambda: self._end_wherever(flow, reason))

    def move_to(self, flow: Flow, other: Lane) -> None:
        """Give a flow to another lane between two of its turns."""
        self._tell(lambda: self._pass_on(flow, other))

    def stop(self) -> None:
        """End all flows and the thread, and wait for it."""
        self._tell(self._stop)
        self._thread.join()

    def _tell(self, command: Command) -> None:
        self._commands.append(command)
        with contextlib.suppress(OSError):  # closed: the thread has ended and its flows with it
            os.eventfd_write(self._wake_fd, 1)

    def _stop(self) -> None:
        self._is_stopping = True

    def _run(self) -> None:
        next_tick = time.monotonic() + _TICK
        try:
            while not self._is_stopping:
                timeout = 0.0 if self._again else (max(0.0, next_tick - time.monotonic()) if self._flows else -1.0)
                events = self._epoll.poll(timeout, _MAX_EVENTS)
                now = time.monotonic()
                moved = self._turn(events, now)
                if self._gather and 0 < moved < _PLENTY:
                    time.sleep(self._pause if moved >= _LITTLE else self._gather)
                if self._moving:
                    next_tick = min(next_tick, now + _BUSY_TICK)
                if now >= next_tick:
                    next_tick = now + self._tick(now)
        except BaseException as problem:
            log.error("relay thread failed", lane=self.name, error=problem)
            raise
        finally:
            self._close()

    def _turn(self, events: list[tuple[int, int]], now: float) -> int:
        """Returns how many bytes moved."""
        ready = self._again
        self._again = {}
        for descriptor, event in events:
            watched = self._ends.get(descriptor)
            if watched is None:
                if descriptor == self._wake_fd:
                    self._obey()
                continue
            end, flow = watched
            if event & _READ_EVENTS:
                end.may_read = True
            if event & _WRITE_EVENTS:
                end.may_write = True
            if event & _HANG_UP:
                end.has_hung_up = True
            ready[flow] = None
        moved = 0
        for flow in ready:
            if flow in self._flows:
                moved += self._advance(flow, now)
        return moved

    def _obey(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        while self._commands:
            self._commands.popleft()()

    def _advance(self, flow: Flow, now: float) -> int:
        if flow.advance(self._room, self._pipes):
            self._again[flow] = None
        before, flow.seen = flow.seen, flow.moved
        if flow.is_done:
            self._end(flow, "lost" if flow.was_lost else "finished")
        elif flow.seen != before:
            flow.last_moved = now
            self._moving.add(flow)
        return flow.seen - before

    def _adopt(self, flow: Flow) -> None:
        self._flows.add(flow)
        flow.last_moved = time.monotonic()
        flow.sample = flow.moved
        for end in (flow.a, flow.b):
            end.forget()
            self._ends[end.fd] = (end, flow)
            self._epoll.register(end.fd, _WATCHED)

    def _release(self, flow: Flow) -> bool:
        if flow not in self._flows:
            return False
        self._flows.discard(flow)
        self._moving.discard(flow)
        self._again.pop(flow, None)
        for end in (flow.a, flow.b):
            del self._ends[end.fd]
            self._epoll.unregister(end.fd)
        return True

    def _pass_on(self, flow: Flow, other: Lane) -> None:
        if self._release(flow):
            flow.lane = other
            other.add(flow)

    def _end_wherever(self, flow: Flow, reason: EndReason) -> None:
        if flow in self._flows:
            self._end(flow, reason)
        elif isinstance(flow.lane, Lane) and flow.lane is not self:
            flow.lane.end(flow, reason)

    def _end(self, flow: Flow, reason: EndReason) -> None:
        if self._release(flow):
            self._on_end(flow, flow.end(reason))

    def _tick(self, now: float) -> float:
        """Look after flows; returns the time until the next look."""
        moving, self._moving = self._moving, set()
        total = 0
        for flow in moving:
            moved, flow.sample = flow.moved - flow.sample, flow.moved
            total += moved
            self._on_sample(self, flow, moved)
        if total:
            needed = _BUSY_TICK * _WORTHWHILE / total
            self._pause = min(max(self._gather, needed), _LONGEST * self._gather)
        if now >= self._next_sweep:
            self._next_sweep = now + _TICK
            for flow in list(self._flows):
                if flow.idle_limit is not None and now - flow.last_moved >= flow.idle_limit:
                    self._end(flow, "idle")
        return _BUSY_TICK if moving else _TICK

    def _close(self) -> None:
        for flow in list(self._flows):
            self._end(flow, "closed")
        self._pipes.close()
        self._epoll.close()
        os.close(self._wake_fd)
