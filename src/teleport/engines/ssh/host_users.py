"""Host users: looking one up without holding the loop, and what surrounds their programs."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from teleport.foundation.errors import AccessDenied, NotFound, Unavailable, Unsupported

LOOKUP_TIMEOUT = 5.0
_MAX_NOTICE = 1000
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ACCEPTED_VARIABLES = ("LANG", "LC_")
"""What a client may set without being permitted more: a name, or the start of one."""


@dataclass(frozen=True)
class HostUser:
    """An account of this host."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str


async def find(login: str) -> HostUser:
    """The account of that name. Raises NotFound, Unavailable (the directory does not answer), Unsupported.

    Unsupported: this process is not root, so it can serve nobody but its own user.
    """
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            user = await asyncio.to_thread(_find, login)
    except TimeoutError as error:
        raise Unavailable(f"looking up host user {login!r} took more than {LOOKUP_TIMEOUT:g} seconds") from error
    if os.geteuid() != 0 and user.uid != os.geteuid():
        own = pwd.getpwuid(os.geteuid()).pw_name
        raise Unsupported(
            f"this node runs as {own}, not as root: it serves the login {own} and cannot become {login!r}"
        )
    return user


def _find(login: str) -> HostUser:
    try:
        entry = pwd.getpwnam(login)
    except (KeyError, ValueError) as error:
        raise NotFound(f"host user {login!r} does not exist on this node") from error
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    shell = entry.pw_shell or "/bin/sh"
    return HostUser(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir or "/", shell)


async def check_open(user: HostUser, closing: Sequence[str]) -> None:
    """Raises AccessDenied with what the first of these files says: while one is there, the host takes root alone."""
    if user.uid == 0:
        return
    said = await asyncio.to_thread(_closed, closing)
    if said is not None:
        raise AccessDenied(f"this host lets nobody but root in at present{f': {said}' if said else ''}")


def _closed(closing: Sequence[str]) -> str | None:
    for path in closing:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return " ".join(file.read(_MAX_NOTICE).split())
        except FileNotFoundError:
            continue
        except OSError:
            return ""
    return None


def invocation(user: HostUser, command: str | None, words: Sequence[str] = ()) -> tuple[str, list[str]]:
    """A program and its arguments: the words of a command; else the user's shell, by itself or to run a command."""
    if words:
        return words[0], list(words)
    name = user.shell.rsplit("/", 1)[-1]
    return user.shell, [f"-{name}"] if command is None else [name, "-c", command]


def environment(user: HostUser, extra: Mapping[str, str]) -> dict[str, str]:
    """A clean environment, with nothing of ours in it but `extra`."""
    return {
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "SHELL": user.shell,
        "PATH": ROOT_PATH if user.uid == 0 else PATH,
        **({"LANG": os.environ["LANG"]} if "LANG" in os.environ else {}),
        **extra,
    }


def accepts_variable(name: str, permit_all: bool) -> bool:
    """Whether a client may set it. Never what changes how programs are loaded or who they think runs them."""
    if not name.isidentifier() or name.startswith(("LD_", "SSH_", "DYLD_")):
        return False
    return permit_all or any(
        name == accepted or (accepted.endswith("_") and name.startswith(accepted)) for accepted in ACCEPTED_VARIABLES
    )
