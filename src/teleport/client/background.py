"""`tsh ssh -f`: the work is done by a process of its own, whose start the user waits for."""

from __future__ import annotations

import os
from collections.abc import Callable

from teleport.foundation.errors import Unsupported


def in_background(work: Callable[[Callable[[], None]], int]) -> int:
    """Run `work` in a child, which calls what it is given when the user need not wait any longer.

    In the parent: 0 at that moment, or the child's exit status when it ends before. In the child: what `work` says.
    Until then the child shares the terminal, so that it can ask. Must be called before any thread is started.
    """
    if not hasattr(os, "fork"):
        raise Unsupported("-f is not offered on this system")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _wait(reading, pid)
    os.close(reading)

    def leave() -> None:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.write(writing, b"\1")
        os.close(writing)

    return work(leave)


def _wait(reading: int, pid: int) -> int:
    try:
        if os.read(reading, 1):
            return 0
    finally:
        os.close(reading)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
