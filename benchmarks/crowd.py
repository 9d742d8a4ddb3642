"""200 people at work: recorded sessions through proxy and tunnel with light typing, beside as many of sshd's.

Every session is a stock `ssh` on a terminal with a shell. Keys are typed at a steady pace, each in the next session
in turn, and a key's echo is waited for by the clock alone: a slow echo holds up no other key.
"""

from __future__ import annotations

import contextlib
import os
import pty
import selectors
import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.figures import Figure, absolute, of_rounds
from benchmarks.yardstick import bench, our_memory_kib

SESSIONS = 200
KEYS_EACH = 10
PACE = 0.01
"""Seconds from one key to the next: each of 200 people types one every two seconds."""
ROUNDS = 5
PATIENCE = 30.0


def measure() -> list[Figure]:
    grown, mine, theirs = [], [], []
    with bench() as stage:
        through, straight = stage.ssh("-tt", stage.target), stage.sshd.ssh("-tt", stage.sshd.target)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_sessions(through, stage.environment, 1))  # what it loads, the others share
            before = our_memory_kib(stage)
            ours = stack.enter_context(_sessions(through, stage.environment, SESSIONS))
            others = stack.enter_context(_sessions(straight, stage.environment, SESSIONS))
            for number in range(ROUNDS + 1):
                pair = slowest_hundredth(_typed(ours)), slowest_hundredth(_typed(others))
                if number:  # the first does not count
                    mine.append(pair[0])
                    theirs.append(pair[1])
                    grown.append((our_memory_kib(stage) - before) / 1024 / SESSIONS)
    return [
        absolute(f"memory for each of {SESSIONS} recorded sessions with light typing", grown, "<=", 6.0, "MiB"),
        of_rounds(f"echo of a key, slowest of 100, {SESSIONS} recorded sessions", "sshd, as many, unrecorded", mine,
                  theirs, "<=", 1.5, "ms"),
    ]  # fmt: skip


def slowest_hundredth(times: list[float]) -> float:
    """The 99th percentile."""
    return sorted(times)[len(times) * 99 // 100]


@dataclass
class _Session:
    pid: int
    terminal: int
    typed: deque[float] = field(default_factory=deque)
    """When keys were typed whose echo has not been seen."""

    def read_prompt(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self.terminal, selectors.EVENT_READ)
            end, seen = time.monotonic() + PATIENCE, b""
            while b"$ " not in seen and b"# " not in seen:
                if time.monotonic() > end:
                    raise RuntimeError(f"no prompt: {seen!r}")
                if ready.select(1):
                    seen += os.read(self.terminal, 65536)


@contextlib.contextmanager
def _sessions(command: list[str], environment: dict[str, str], count: int) -> Iterator[list[_Session]]:
    opened = []
    try:
        for _ in range(count // 8 or 1):
            fresh = [_open(command, environment) for _ in range(min(8, count))]
            opened += fresh
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(_Session.read_prompt, fresh))
        yield opened
    finally:
        for one in opened:
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
            os.close(one.terminal)


def _open(command: list[str], environment: dict[str, str]) -> _Session:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    return _Session(pid, terminal)


def _typed(sessions: list[_Session]) -> list[float]:
    """Milliseconds from each key to its echo."""
    times: list[float] = []
    with selectors.DefaultSelector() as ready:
        for one in sessions:
            ready.register(one.terminal, selectors.EVENT_READ, one)
        total, typed, start = SESSIONS * KEYS_EACH, 0, time.perf_counter()
        deadline = start + total * PACE + PATIENCE
        while len(times) < total:
            now = time.perf_counter()
            if now > deadline:
                raise RuntimeError(f"{total - len(times)} of {total} keys were not echoed")
            if typed < total and now >= start + typed * PACE:
                one = sessions[typed % len(sessions)]
                one.typed.append(time.perf_counter())
                os.write(one.terminal, b"x")
                typed += 1
                continue
            wait = start + typed * PACE - now if typed < total else deadline - now
            for key, _ in ready.select(wait):
                _take_echo(key.data, times)
    return times


def _take_echo(one: _Session, times: list[float]) -> None:
    echoed = os.read(one.terminal, 65536).count(b"x")
    now = time.perf_counter()
    times.extend((now - one.typed.popleft()) * 1e3 for _ in range(echoed))
