"""Rules for sudo: one file for each account, there while it is used, never one that visudo does not accept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from teleport.engines.host_accounts.programs import ProgramFailed, is_installed, run
from teleport.foundation.errors import BadParameter, Unavailable
from teleport.foundation.logs import get_logger

log = get_logger("host_accounts")

FOLDER = Path("/etc/sudoers.d")
_MODE = 0o440
_MAX_RULES = 64 << 10


class SudoRules:
    """The files of one agent. `owner` tells them from other agents' on the same host."""

    def __init__(self, owner: str, folder: Path = FOLDER) -> None:
        self._prefix = f"teleport-{owner}-"
        self._folder = folder

    def write(self, login: str, rules: Sequence[str]) -> None:
        """Replace the rules of an account; none removes them. Raises BadParameter, Unavailable."""
        if not rules:
            self.remove(login)
            return
        if not self._folder.is_dir() or not is_installed("visudo"):
            log.warning("sudo is not installed: the rules of roles for it have no effect", login=login)
            return
        path = self._path(login)
        text = _text(login, rules)
        fresh = path.with_name(f"{path.name}.new")  # sudo reads no file with a dot in its name
        try:
            _write(fresh, text)
            _check(fresh, login)
            fresh.replace(path)
        except OSError as error:
            raise Unavailable(f"the rules for sudo cannot be written: {error.strerror}") from error
        finally:
            fresh.unlink(missing_ok=True)

    def remove(self, login: str) -> None:
        with contextlib.suppress(OSError):
            self._path(login).unlink(missing_ok=True)

    def logins(self) -> tuple[str, ...]:
        """Who has rules of ours now."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return ()
        return tuple(unquote(name.removeprefix(self._prefix)) for name in names if name.startswith(self._prefix))

    def _path(self, login: str) -> Path:
        """sudo passes over names with a dot or a tilde."""
        return self._folder / (self._prefix + quote(login, safe="").replace(".", "%2E").replace("~", "%7E"))


def _text(login: str, rules: Sequence[str]) -> str:
    """Raises BadParameter for a rule that would be more than one."""
    for rule in rules:
        if not rule.strip() or not rule.isprintable() or rule.rstrip().endswith("\\"):
            raise BadParameter(f"a rule for sudo is not one printable line: {rule!r}")
    name = login.replace("@", "\\@")
    text = "".join(f"{name} {rule.strip()}\n" for rule in rules)
    if len(text) > _MAX_RULES:
        raise BadParameter(f"the rules for sudo are longer than {_MAX_RULES} bytes")
    return text


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), _MODE)
        file.flush()
        os.fsync(file.fileno())


def _check(path: Path, login: str) -> None:
    try:
        run("visudo", "--check", "--strict", "--file", str(path))
    except ProgramFailed as failure:
        said = str(failure).replace(str(path), "the rules").splitlines()
        raise BadParameter(f"visudo refuses the sudo rules of your roles for {login}: {said[0]}") from failure
