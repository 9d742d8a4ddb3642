"""Names on a cluster that many tests share: each belongs to one module, whatever order tests run in."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import yaml


class Names:
    """Which module of tests made which resource, kept in a folder that all workers of a run see.

    Two modules that make the same name disturb each other only when one worker happens to run both; here the second
    fails always, and says whose name it is.
    """

    def __init__(self, folder: Path, everybody_s: frozenset[str] = frozenset()) -> None:
        self._folder = folder
        self._everybody_s = everybody_s
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        """`name` is a kind and a name, such as user/bob."""
        if name in self._everybody_s:
            return
        module = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        taken = self._folder / name.replace("/", "+")
        with contextlib.suppress(FileExistsError):
            taken.symlink_to(module)  # made and written in one step, unlike a file
        owner = str(taken.readlink())
        assert owner == module, f"{name} is a name of {owner}: choose another in {module}"

    def take_made_by(self, arguments: tuple[str, ...], text: str) -> None:
        """What a call of tctl makes: `text` is what it reads from its standard input."""
        match arguments:
            case ("users", "add", user, *_):
                self.take(f"user/{user}")
            case ("create", *_):
                for document in yaml.safe_load_all(text):
                    if name := document.get("metadata", {}).get("name"):
                        self.take(f"{document['kind']}/{name}")
