"""The system's programs that change accounts and groups. Each call waits for its program: use a thread."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence

from teleport.foundation.errors import Unavailable

TIMEOUT = 20.0
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_LOCKED = "cannot lock"
_ATTEMPTS = 20
_PAUSE = 0.25


class ProgramFailed(Exception):
    """`status` is the program's own; the text is what it said."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def run(*argv: str) -> None:
    """Waits while another program holds the account files. Raises ProgramFailed, Unavailable."""
    for attempt in range(_ATTEMPTS):
        try:
            _run(argv)
        except ProgramFailed as failure:
            if _LOCKED not in str(failure) or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _run(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, no shell
            argv, env={"PATH": PATH, "LC_ALL": "C"}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Unavailable(f"{argv[0]} is not installed on this node") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{argv[0]} could not do its work: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ProgramFailed(done.returncode, said or f"{argv[0]} ended with status {done.returncode}")


def is_installed(name: str) -> bool:
    return any(os.access(f"{folder}/{name}", os.X_OK) for folder in PATH.split(":"))
