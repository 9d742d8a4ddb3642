"""Programs on a terminal of their own, typed into and read from while they run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from harness.processes import PATIENCE


class OnTerminal:
    """One program. `see` waits for what it shows; leaving the block ends it."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], columns: int = 100) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))  # before it can look
            os.execve(arguments[0], list(arguments), dict(environment))
        self.shown = ""
        self._read_to = 0
        self._status: int | None = None

    def send(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def see(self, pattern: str, patience: float = PATIENCE) -> str:
        """What was shown from where the last `see` ended up to this pattern's end."""
        end = time.monotonic() + patience
        while True:
            found = re.search(pattern, self.shown[self._read_to :])
            if found is not None:
                seen = self.shown[self._read_to : self._read_to + found.end()]
                self._read_to += found.end()
                return seen
            is_open = self._take(0.1)
            assert is_open, f"{pattern!r} was not seen before the end:\n{self.shown}"
            assert time.monotonic() < end, f"{pattern!r} was not seen within {patience} s:\n{self.shown}"

    def shows(self, pattern: str, patience: float = PATIENCE) -> None:
        """Wait until this was shown at any time, before or after what was seen last."""
        if re.search(pattern, self.shown) is None:
            self.see(pattern, patience)

    def run(self, command: str, pattern: str, patience: float = PATIENCE) -> str:
        """Type a command line and wait for what it prints."""
        self.send(command + "\n")
        return self.see(pattern, patience)

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for the program's end: its exit status, or the negative number of a signal."""
        end = time.monotonic() + patience
        while self._status is None:
            is_open = self._take(0.05)
            done, status = os.waitpid(self.pid, 0 if not is_open and time.monotonic() > end else os.WNOHANG)
            if done:
                self._status = os.waitstatus_to_exitcode(status)
            assert self._status is not None or time.monotonic() < end, f"it still runs:\n{self.shown}"
        while self._take(0.0):
            pass
        return self._status

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _take(self, wait: float) -> bool:
        """Read what is there. False when nothing will come any more, or nothing came at once with no wait."""
        readable, _, _ = select.select([self._terminal], [], [], wait)
        if not readable:
            return wait > 0
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:
            piece = b""
        self.shown += piece.decode(errors="replace")
        if not piece and wait:
            time.sleep(0.01)  # the far side is closed, the program has still to be reaped
        return bool(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._status is None:
            os.waitpid(self.pid, 0)
        os.close(self._terminal)
