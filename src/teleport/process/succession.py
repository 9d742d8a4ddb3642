"""A graceful restart: a new process takes the place of this one, which leaves when its last session has ended.

The successor waits for the lock of the data directory, so there is one writer at any time. Listening sockets are
opened anew; a client that comes in between finds the port closed for a moment and, if it is ours, tries again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from teleport.foundation.logs import get_logger

log = get_logger("process")

VARIABLE = "TELEPORT_SUCCESSOR_OF"


@dataclass(frozen=True)
class Succession:
    """Whether this process was started by the one it follows."""

    is_successor: bool

    @classmethod
    def from_environment(cls) -> Succession:
        return cls(os.environ.pop(VARIABLE, "") == str(os.getppid()))

    def start_successor(self) -> int:
        """Start the same program with the same arguments; its process id."""
        environment = {**os.environ, VARIABLE: str(os.getpid())}
        command = [sys.executable, *sys.orig_argv[1:]]  # what this process was started with
        successor = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
        log.info("successor started", pid=successor.pid)
        return successor.pid
