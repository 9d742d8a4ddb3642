"""Memory of all our processes for each open, idle, recorded SSH session; the shell itself is not counted.

All stay open until the last is measured: what a closed one gave back would make room for the next.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import time

from benchmarks.figures import Figure, absolute
from benchmarks.yardstick import Bench, bench, our_memory_kib

SESSIONS = 20


def measure() -> list[Figure]:
    opened: list[tuple[int, int]] = []
    with bench() as stage:
        try:
            opened.append(_open(stage))  # what the first one loads, the others share
            values = [_each(stage, opened) for _ in range(5)]
        finally:
            for pid, terminal in opened:
                os.close(terminal)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    return [absolute("memory per open, idle, recorded session", values, "<=", 6.0, "MiB")]


def _each(stage: Bench, opened: list[tuple[int, int]]) -> float:
    before = our_memory_kib(stage)
    opened += [_open(stage) for _ in range(SESSIONS)]
    return max(our_memory_kib(stage) - before, 1) / 1024 / SESSIONS


def _open(stage: Bench) -> tuple[int, int]:
    command = stage.ssh("-tt", stage.target)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, stage.environment)
    end = time.monotonic() + 30
    seen = b""
    while b"$ " not in seen and b"# " not in seen:
        if time.monotonic() > end:
            raise RuntimeError(f"no prompt: {seen!r}")
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536)
    return pid, terminal
