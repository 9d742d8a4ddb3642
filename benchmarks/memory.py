"""Memory of all our processes for each open, idle, recorded SSH session; the shell itself is not counted.

All stay open until the last is measured: what a closed one gave back would make room for the next.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from pathlib import Path

from benchmarks.figures import Figure, absolute
from benchmarks.yardstick import Bench, bench, memory_kib, offspring

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
    before = _ours(stage)
    opened += [_open(stage) for _ in range(SESSIONS)]
    return max(_ours(stage) - before, 1) / 1024 / SESSIONS


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


def _ours(stage: Bench) -> int:
    """KiB of our own programs: what the sessions run is not ours."""
    pids = [pid for own in stage.pids for pid in offspring(own)]
    return sum(memory_kib(pid) for pid in pids if "teleport" in _program(pid))


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
