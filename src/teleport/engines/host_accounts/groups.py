"""Groups of this host."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re

from teleport.engines.host_accounts import programs
from teleport.engines.host_accounts.programs import ProgramFailed
from teleport.foundation.errors import BadParameter

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,31}")
_EXISTS = 9
"""How groupadd ends when somebody was faster."""


def of(login: str) -> frozenset[str]:
    """All groups of an account, by name. Raises KeyError when there is no such account."""
    entry = pwd.getpwnam(login)
    return frozenset(name for gid in os.getgrouplist(login, entry.pw_gid) if (name := _name(gid)))


def primary(entry: pwd.struct_passwd) -> str:
    return _name(entry.pw_gid)


def exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def check_name(group: str) -> None:
    """Raises BadParameter."""
    if not _NAME.fullmatch(group):
        raise BadParameter(f"no host group can be called {group!r}: letters, digits, '_', '-', '.' and '@'")


def create(group: str) -> None:
    """Raises ProgramFailed, Unavailable."""
    try:
        programs.run("groupadd", "--", group)
    except ProgramFailed as failure:
        if failure.status != _EXISTS:
            raise


def create_numbered(group: str, gid: int) -> None:
    """The group with that number, whatever it is called, is there afterwards. Raises ProgramFailed, Unavailable."""
    if not _name(gid):
        programs.run("groupadd", "--gid", str(gid), "--", group)


def remove_if_empty(group: str) -> bool:
    """True when it is not there any more."""
    try:
        entry = grp.getgrnam(group)
    except KeyError:
        return True
    if entry.gr_mem or any(user.pw_gid == entry.gr_gid for user in pwd.getpwall()):
        return False
    with contextlib.suppress(ProgramFailed):
        programs.run("groupdel", "--", group)
    return not exists(group)


def _name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""
