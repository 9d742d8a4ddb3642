"""A session that prints 10 MB while five people watch it, against one that nobody watches.

Measured at the owner's terminal, from the line that is typed to the last byte. A round ends when every watcher has
been shown everything too.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import Bench, Visitor, bench, until

WATCHERS = 5
SIZE, LINE = 10_000_000, 80
MARKS = SIZE // LINE * (LINE - 1)
"""How many `x` are printed: what the session is told by us has none."""
SCRIPT = (
    'stty -onlcr -echo; echo "session $SSH_SESSION_ID."; '
    f"while read word; do yes {'x' * (LINE - 1)} | head -c {SIZE}; done"
)
ROLE = """kind: role
version: v7
metadata: {name: watcher}
spec: {allow: {join_sessions: [{name: all, roles: ['*'], kinds: [ssh], modes: [observer]}]}}
"""
PATIENCE = 60.0


def measure() -> list[Figure]:
    with bench() as stage, contextlib.ExitStack() as stack:
        alone, _ = stack.enter_context(_printing(stage))
        watched, sid = stack.enter_context(_printing(stage))
        watchers = stack.enter_context(_watching(stage, sid))
        return [
            ratio(f"a session prints 10 MB, {WATCHERS} people watch it", "the same, nobody watches",
                  lambda: _print(watched, watchers), lambda: _print(alone, ()), "<=", 1.3, rounds=15),
        ]  # fmt: skip


class _Program:
    """One program on a terminal of its own; the marks that it shows are counted."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), dict(environment))
        self.marks = 0

    def take(self) -> bytes:
        """What it shows next; nothing once it has ended."""
        try:
            piece = os.read(self.terminal, 1 << 18)
        except OSError:
            return b""
        self.marks += piece.count(b"x")
        return piece

    def take_soon(self) -> bytes:
        """Raises RuntimeError when nothing comes."""
        is_there = select.select([self.terminal], [], [], PATIENCE)[0]
        piece = self.take() if is_there else b""
        if not piece:
            raise RuntimeError(f"{'it ended' if is_there else 'nothing came'} after {self.marks} marks")
        return piece

    def read_to(self, pattern: bytes) -> re.Match[bytes]:
        seen = b""
        while (found := re.search(pattern, seen)) is None:
            seen += self.take_soon()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@contextlib.contextmanager
def _printing(stage: Bench) -> Iterator[tuple[_Program, str]]:
    """A session that prints whenever a line is typed, and its id."""
    with _Program(stage.ssh("-tt", stage.target, SCRIPT), stage.environment) as owner:
        yield owner, owner.read_to(rb"session ([^.\s]+)\.\r?\n")[1].decode()


@contextlib.contextmanager
def _watching(stage: Bench, sid: str) -> Iterator[list[_Program]]:
    """People at their `tsh join`, each read by a thread that ends with it."""
    stage.cluster.tctl("create", "-f", "-", text=ROLE).ok()
    visitor = Visitor(stage.cluster, stage.folder / "watcher", "watcher", roles="watcher")
    command = visitor.words("join", "--mode=observer", sid)
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(_Program(command, visitor.environment)) for _ in range(WATCHERS)]
        for watcher in watchers:
            watcher.read_to(rb"Ctrl-C leaves")
            reader = threading.Thread(target=_read_on, args=[watcher])
            reader.start()
            stack.callback(reader.join)
            stack.callback(os.kill, watcher.pid, signal.SIGKILL)
        yield watchers


def _read_on(watcher: _Program) -> None:
    while watcher.take():
        pass


def _print(owner: _Program, watchers: Sequence[_Program]) -> float:
    """Milliseconds until the owner has seen everything."""
    aims = [watcher.marks + MARKS for watcher in watchers]
    aim, start = owner.marks + MARKS, time.perf_counter()
    os.write(owner.terminal, b"\n")
    while owner.marks < aim:
        owner.take_soon()
    elapsed = (time.perf_counter() - start) * 1e3
    until(lambda: all(one.marks >= goal for one, goal in zip(watchers, aims, strict=True)), "everybody saw it all")
    return elapsed
