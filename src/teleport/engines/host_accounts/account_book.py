"""What an agent has made on its host and must take away again, on disk before it is made."""

from __future__ import annotations

from pathlib import Path

import msgspec

from teleport.foundation.errors import Unavailable
from teleport.foundation.logs import get_logger
from teleport.storage.files import replace_file

log = get_logger("host_accounts")


class _Page(msgspec.Struct):
    logins: list[str] = []
    groups: list[str] = []


class AccountBook:
    """Logins and groups, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._page = self._read()

    @property
    def logins(self) -> tuple[str, ...]:
        return tuple(self._page.logins)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self._page.groups)

    def add_login(self, login: str) -> None:
        """Raises Unavailable."""
        self._change(self._page.logins, login, is_wanted=True)

    def strike_login(self, login: str) -> None:
        self._change(self._page.logins, login, is_wanted=False)

    def add_group(self, group: str) -> None:
        """Raises Unavailable."""
        self._change(self._page.groups, group, is_wanted=True)

    def strike_group(self, group: str) -> None:
        self._change(self._page.groups, group, is_wanted=False)

    def _change(self, names: list[str], name: str, *, is_wanted: bool) -> None:
        if (name in names) == is_wanted:
            return
        if is_wanted:
            names.append(name)
        else:
            names.remove(name)
        try:
            replace_file(self._path, [msgspec.json.encode(self._page)])
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from error

    def _read(self) -> _Page:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Page)
        except FileNotFoundError:
            return _Page()
        except (OSError, msgspec.DecodeError) as error:
            log.error("what accounts were made here cannot be read", path=self._path, error=error)
            return _Page()
