"""Processes that tests start: their output in a file, a wait that knows when they died, an end that is certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
PATIENCE = 60.0


class Started:
    """One running program."""

    def __init__(
        self, arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self.arguments = [str(word) for word in arguments]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment) if environment is not None else None,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until(self, ready: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.arguments[0]} ended with {self.process.returncode}:\n{self.output()}")
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {patience} s:\n{self.output()}")
            time.sleep(0.02)

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-20000:]

    def stop(self, patience: float = PATIENCE) -> int:
        """SIGTERM, and SIGKILL for what does not go; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        return self.kill()

    def kill(self) -> int:
        """End the program and what it left in its process group, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(PATIENCE)


def until(ready: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition that no process of ours owns."""
    end = time.monotonic() + patience
    while not ready():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience} s")
        time.sleep(0.02)
