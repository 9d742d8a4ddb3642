"""What sessions of the tests read and write on this host besides their own folders, taken out of their way.

Tests that run as root open real logins of root. Their shells would read root's own start-up files, which may be slow,
or leave a lock behind when the test ends them half-way and so hold every later login; and their agents would write
into the host's login records. So such a test run has mounts of its own, with empty files in those places.
A plain user's run changes nothing: it may mount nothing, and writes to no login records.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import shutil
import tempfile
from pathlib import Path

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS, sched.h
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000  # MS_*, sys/mount.h
_START_UP = (".profile", ".bash_profile", ".bash_login", ".bashrc", ".bash_logout", ".ssh/rc")
_RECORDS = ("/run/utmp", "/var/run/utmp", "/var/log/wtmp", "/var/log/lastlog")


def keep_host_as_it_is() -> None:
    """For this process and all that it starts. Raises `OSError` where root may not mount."""
    libc = ctypes.CDLL(None, use_errno=True)
    _succeed(libc.unshare(_NEW_MOUNTS), "mounts of the test run's own")
    _succeed(libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None), "mounts kept from the host")
    folder = Path(tempfile.mkdtemp(prefix="teleport-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    covered = {path.resolve() for path in (*(home / name for name in _START_UP), *map(Path, _RECORDS))}
    for number, path in enumerate(sorted(path for path in covered if path.is_file())):
        empty = folder / str(number)
        empty.touch()
        shutil.copymode(path, empty)
        _succeed(libc.mount(bytes(empty), bytes(path), None, _BIND, None), f"{path} covered by an empty file")


def _succeed(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
