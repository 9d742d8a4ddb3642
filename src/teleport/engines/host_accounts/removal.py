"""Taking away an account that was made here, with everything that would wait for the next of its name."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from pathlib import Path

from teleport.engines.host_accounts import programs
from teleport.engines.host_accounts.programs import ProgramFailed
from teleport.foundation.logs import get_logger

log = get_logger("host_accounts")

_GONE, _USED, _HOME_STAYS = 6, 8, 12
"""How userdel ends."""
_LEFT_BY_USERDEL = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/lib/systemd/linger", "/var/mail")


def is_used(uid: int) -> bool:
    """Whether a process runs as that user."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                status = Path("/proc", name, "status").read_bytes()
            except OSError:
                continue
            if _runs_as(status, uid):
                return True
    return False


def _runs_as(status: bytes, uid: int) -> bool:
    """A zombie holds nothing any more."""
    lines = dict(line.split(b":", 1) for line in status.splitlines() if b":" in line)
    if lines.get(b"State", b"").strip().startswith(b"Z"):
        return False
    return str(uid).encode() in lines.get(b"Uid", b"").split()


def take_away(login: str, entry: pwd.struct_passwd | None) -> bool:
    """False when the account is still used. Raises Unavailable."""
    if entry is not None:
        try:
            programs.run("userdel", "--remove", "--", login)
        except ProgramFailed as failure:
            if failure.status == _USED:
                return False
            if failure.status not in (_GONE, _HOME_STAYS):
                log.warning("a host user cannot be removed now", login=login, error=failure)
                return False
            _remove_home(entry)
    for folder in _LEFT_BY_USERDEL:
        with contextlib.suppress(OSError):
            Path(folder, login).unlink()
    return True


def _remove_home(entry: pwd.struct_passwd) -> None:
    home = Path(entry.pw_dir)
    try:
        is_own = home.stat(follow_symlinks=False).st_uid == entry.pw_uid and entry.pw_uid != 0
    except OSError:
        return
    if is_own:
        shutil.rmtree(home, ignore_errors=True)
