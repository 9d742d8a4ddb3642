"""Commands that are the far end of an old copy (`scp -t`, `scp -f`), and those that copy behind our back."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from teleport.policy import command_words

_SWITCHES = frozenset("rpdvqtf")
_COPIERS = re.compile(r"(?<![\w.-])(scp|sftp|sftp-server|internal-sftp|rsync|rclone|rcp)(?![\w-])")


@dataclass(frozen=True)
class ScpCommand:
    """`options` are the letters of the switches, with `t` (takes files) or `f` (gives them).

    `is_pattern`: the path stands for all the files whose names it fits.
    """

    options: str
    path: str
    is_pattern: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        path = self.path if not self.path.startswith("-") else f"./{self.path}"
        return ("scp", f"-{self.options}", path)

    @property
    def is_upload(self) -> bool:
        return "t" in self.options


def parse(command: str, home: str) -> ScpCommand | None:
    """None for anything else, and for what takes a shell to read."""
    words = command_words.split(command)
    if not words or not words[0].is_plain or words[0].text.rsplit("/", 1)[-1] != "scp":
        return None
    options, rest = "", list(words[1:])
    while rest and rest[0].text.startswith("-") and rest[0].text != "-":
        word = rest.pop(0).text
        if word == "--":
            break
        options += word[1:]
    if set(options) - _SWITCHES or ("t" in options) is ("f" in options) or len(rest) > 1:
        return None
    path, is_pattern = (rest[0].text or ".", rest[0].has_pattern) if rest else (".", False)
    if rest and rest[0].has_home:
        if path != "~" and not path.startswith("~/"):
            return None
        path = home + path[1:]
    if is_pattern and "t" in options:
        return None
    return ScpCommand(options, path, is_pattern)


def guess(command: str) -> ScpCommand | None:
    """For what a shell makes of a command that may be the far end of a copy: its path may be another in the end."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or words[0].rsplit("/", 1)[-1] != "scp":
        return None
    options = "".join(word[1:] for word in words[1:] if word.startswith("-") and not word.startswith("--"))
    if ("t" in options) is ("f" in options):
        return None
    return ScpCommand(options, words[-1], is_pattern="f" in options)


def names_a_copier(command: str) -> bool:
    """Whether it speaks of a program that copies files by a protocol that nobody here looks into."""
    return _COPIERS.search(command) is not None
