"""Accounts made for sessions: there while somebody uses them, then kept or taken away as roles say.

An account that was here before is nobody's but the host's: it is used as it is, and never changed nor removed.
Those made here are marked by a group: `teleport-system` for what may be removed, `teleport-keep` for what stays,
`teleport-static` for what the cluster always wants here.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from teleport.engines.host_accounts import groups, programs
from teleport.engines.host_accounts.account_book import AccountBook
from teleport.engines.host_accounts.programs import ProgramFailed
from teleport.engines.host_accounts.removal import is_used, take_away
from teleport.engines.host_accounts.sudo_rules import SudoRules
from teleport.foundation.errors import AlreadyExists, BadParameter, TeleportError, Unavailable, Unsupported
from teleport.foundation.logs import get_logger

log = get_logger("host_accounts")

Mode = Literal["keep", "insecure-drop", "static"]
MARKS: dict[Mode, str] = {"insecure-drop": "teleport-system", "keep": "teleport-keep", "static": "teleport-static"}
_MANAGED = frozenset(MARKS.values())
_LOGIN = re.compile(r"[a-z_][a-z0-9_.@-]{0,31}")
_FIRST_RETRY, _LAST_RETRY = 0.5, 60.0
_LAST_ATTEMPTS = 6
_MAX_ID = 2**32 - 2
_T = TypeVar("_T")


@dataclass(frozen=True)
class WantedAccount:
    """How an account shall be. None and empty: as the host does by default."""

    mode: Mode
    groups: tuple[str, ...] = ()
    sudoers: tuple[str, ...] = ()
    shell: str = ""
    uid: int | None = None
    gid: int | None = None
    takes_ownership: bool = False
    """An account that was here before becomes one of ours."""


class HostAccounts:
    """Of one agent. A Service: removes what the last run left behind, and what could not be removed at once."""

    name = "host accounts"

    def __init__(self, data_dir: Path, host_id: str) -> None:
        self._book = AccountBook(data_dir / "host_accounts.json")
        self._sudo = SudoRules(host_id)
        self._users: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._pending: set[str] = set()
        self._left_behind: set[str] = set()
        """By an earlier process, which may still end its sessions."""
        self._nudge = asyncio.Event()

    # -- used by sessions

    async def borrow(self, login: str, wanted: WantedAccount) -> Callable[[], None]:
        """Make the account, or bring one of ours up to date. Call what is returned when it is not used any more.

        Raises BadParameter, Unavailable, Unsupported, each with the reason.
        """
        if os.geteuid() != 0:
            await asyncio.to_thread(_check_exists, login)
            return lambda: None
        self._users[login] = self._users.get(login, 0) + 1
        try:
            is_ours = await self._locked(partial(self._ensure, login, wanted))
        except BaseException:
            self._give_back(login)
            raise
        if is_ours:
            self._left_behind.discard(login)
            return partial(self._give_back, login)
        self._release(login)
        return lambda: None

    async def establish(self, login: str, wanted: WantedAccount) -> None:
        """Make an account that needs no session. Raises as `borrow`, and AlreadyExists when it is not ours."""
        if os.geteuid() != 0:
            raise Unsupported("this node does not run as root: it cannot create host users")
        is_ours = await self._locked(partial(self._ensure, login, wanted))
        if not is_ours:
            raise AlreadyExists(f"host user {login!r} was here before, and is left as it is")

    async def abandon(self, login: str) -> None:
        """The cluster does not want the account here any more: it stays, without rules for sudo."""
        await self._locked(partial(self._sudo.remove, login))

    def _give_back(self, login: str) -> None:
        self._release(login)
        if login not in self._users:
            self._pending.add(login)
            self._nudge.set()

    def _release(self, login: str) -> None:
        self._users[login] -= 1
        if not self._users[login]:
            del self._users[login]

    async def _locked(self, work: Callable[[], _T]) -> _T:
        async with self._lock:
            # shielded: a program that changes accounts is not left alone half way
            task = asyncio.get_running_loop().run_in_executor(None, work)
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                await asyncio.wait({task})
                raise

    # -- in a thread

    def _ensure(self, login: str, wanted: WantedAccount) -> bool:
        """False when the account is the host's own."""
        entry = _entry(login)
        ours = groups.of(login) & _MANAGED if entry is not None else frozenset()
        if entry is not None and not ours and not (wanted.takes_ownership and entry.pw_uid != 0):
            return False
        _check(login, wanted)
        mark = self._mark(wanted.mode, ours)
        try:
            names = dict.fromkeys((*(group for group in wanted.groups if group not in _MANAGED), mark))
            for group in names:
                self._make_group(group, is_temporary=group != mark and mark == MARKS["insecure-drop"])
            if entry is None:
                self._create(login, wanted, names, is_temporary=mark == MARKS["insecure-drop"])
            elif groups.of(login) - {groups.primary(entry)} != frozenset(names):
                programs.run("usermod", "--groups", ",".join(names), "--", login)
        except ProgramFailed as failure:
            raise Unavailable(f"host user {login!r} cannot be made on this node: {failure}") from failure
        if mark != MARKS["insecure-drop"]:
            self._book.strike_login(login)
        self._sudo.write(login, wanted.sudoers)
        return True

    def _mark(self, mode: Mode, ours: Iterable[str]) -> str:
        """What is kept stays kept; what the cluster always wants stays so."""
        rank = (MARKS["insecure-drop"], MARKS["keep"], MARKS["static"])
        return max((*ours, MARKS[mode]), key=rank.index)

    def _make_group(self, group: str, *, is_temporary: bool) -> None:
        if groups.exists(group):
            return
        if is_temporary:
            self._book.add_group(group)
        groups.create(group)

    def _create(self, login: str, wanted: WantedAccount, names: Iterable[str], *, is_temporary: bool) -> None:
        argv = ["useradd", "--badname", "--create-home", "--groups", ",".join(names)]
        if wanted.gid is not None:
            groups.create_numbered(login, wanted.gid)
            argv += ["--gid", str(wanted.gid)]
        elif groups.exists(login):
            argv += ["--gid", login]
        else:
            argv += ["--user-group"]
        if wanted.uid is not None:
            argv += ["--uid", str(wanted.uid)]
        if shell := _shell(wanted.shell):
            argv += ["--shell", shell]
        if is_temporary:
            self._book.add_login(login)
        programs.run(*argv, "--", login)
        log.info("a host user is made", login=login, groups=",".join(names), mode=wanted.mode)

    # -- the end of an account

    async def run(self, started: Callable[[], None]) -> None:
        started()
        if os.geteuid() != 0:
            await asyncio.Event().wait()
        self._left_behind = {*self._book.logins, *self._sudo.logins()} - self._users.keys()
        self._pending |= self._left_behind
        try:
            await self._keep_clear()
        finally:
            await self._settle()

    async def _keep_clear(self) -> None:
        delay = _FIRST_RETRY
        while True:
            if self._pending:
                left = len(self._pending)
                await self._clear()
                delay = _FIRST_RETRY if len(self._pending) < left else min(2 * delay, _LAST_RETRY)
            try:
                async with asyncio.timeout(delay if self._pending else None):
                    await self._nudge.wait()
                delay = _FIRST_RETRY
            except TimeoutError:
                pass
            self._nudge.clear()

    async def _settle(self) -> None:
        """The agent ends: programs that were hung up are given a moment; what stays is left to the next start."""
        for _ in range(_LAST_ATTEMPTS):
            if self._pending:
                await self._clear()
            if self._pending:
                await asyncio.sleep(_FIRST_RETRY)

    async def _clear(self) -> None:
        for login in tuple(self._pending):
            self._pending.discard(login)  # from here on it may be given back anew
            try:
                is_done = await self._locked(partial(self._finish, login))
            except TeleportError as error:
                log.warning("a host user cannot be removed now", login=login, error=error)
                is_done = False
            except asyncio.CancelledError:
                self._pending.add(login)
                raise
            if not is_done:
                self._pending.add(login)

    def _finish(self, login: str) -> bool:
        """Nobody uses the account here. False when it must be tried again."""
        if login in self._users:
            return True
        entry = _entry(login)
        marks = groups.of(login) & _MANAGED if entry is not None else frozenset()
        if MARKS["static"] in marks:
            return True
        is_temporary = login in self._book.logins and (entry is None or marks == {MARKS["insecure-drop"]})
        is_busy = entry is not None and is_used(entry.pw_uid)
        if is_busy and login in self._left_behind:
            return False
        self._sudo.remove(login)
        if is_temporary and is_busy:
            return False
        if is_temporary:
            if not take_away(login, entry):
                return False
            log.info("a host user is removed", login=login)
        self._book.strike_login(login)
        self._remove_groups()
        return True

    def _remove_groups(self) -> None:
        for group in self._book.groups:
            if groups.remove_if_empty(group):
                self._book.strike_group(group)


def _entry(login: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(login)
    except (KeyError, ValueError):
        return None


def _check_exists(login: str) -> None:
    if _entry(login) is None:
        raise Unsupported(
            f"host user {login!r} does not exist, and this node does not run as root: it cannot create it"
        )


def _check(login: str, wanted: WantedAccount) -> None:
    """Raises BadParameter."""
    if not _LOGIN.fullmatch(login):
        raise BadParameter(f"no host user can be called {login!r}: small letters, digits, '_', '-', '.' and '@'")
    for kind, number in (("uid", wanted.uid), ("gid", wanted.gid)):
        if number is not None and not 0 < number <= _MAX_ID:
            raise BadParameter(f"the {kind} of host user {login!r} is {number}: expected 1 to {_MAX_ID}")
    for group in wanted.groups:
        groups.check_name(group)


def _shell(name: str) -> str:
    """Its path; empty, for the host's own, where there is no such program."""
    if not name:
        return ""
    found = (
        name
        if name.startswith("/")
        else next((path for folder in programs.PATH.split(":") if os.access(path := f"{folder}/{name}", os.X_OK)), "")
    )
    if not found or not os.access(found, os.X_OK):
        log.warning("the shell that roles name for host users is not here, they get the usual one", shell=name)
        return ""
    return found
