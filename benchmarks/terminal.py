"""40 MB printed on a terminal: recorded by us, unrecorded by sshd."""

from __future__ import annotations

import os
import pty
import time

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import Bench, bench

SIZE = 40_000_000
SCRIPT = f"stty -onlcr; head -c {SIZE} /dev/zero | tr '\\0' x"


def measure() -> list[Figure]:
    with bench() as stage:
        straight = stage.sshd.ssh("-tt", stage.sshd.target, SCRIPT)
        through = stage.ssh("-tt", stage.target, SCRIPT)
        return [
            ratio("terminal output 40 MB, recorded", "sshd's terminal, unrecorded", lambda: _rate(through, stage),
                  lambda: _rate(straight, stage), ">=", 0.9, unit="MB/s"),
        ]  # fmt: skip


def _rate(command: list[str], stage: Bench) -> float:
    """Megabytes a second from the first byte to the last, past the set-up of the session."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, stage.environment)
    got, first = 0, 0.0
    while True:
        try:
            piece = os.read(terminal, 1 << 20)
        except OSError:
            break
        if not piece:
            break
        first = first or time.perf_counter()
        got += len(piece)
    elapsed = time.perf_counter() - first
    os.waitpid(pid, 0)
    os.close(terminal)
    if got < SIZE:
        raise RuntimeError(f"only {got} of {SIZE} bytes came")
    return got / 1e6 / elapsed
