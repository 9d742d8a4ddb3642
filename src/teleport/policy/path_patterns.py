"""Patterns of paths: `*` and `?` stand for what a name holds, `**` alone between slashes for any number of folders.

`/srv/**` is the folder and all below it, `**/x` an `x` anywhere, `~/` the home of the login. A backslash takes the
next character as it is. Texts of a person's traits are put in as they are: they bring no stars and lead nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from teleport.foundation.errors import BadParameter
from teleport.policy import patterns, template_patterns
from teleport.policy.templates import Traits

ANY_FOLDERS = "**"
HOME = "~/"
_MARKS = "*?\\"


def check(pattern: str) -> None:
    """Raises BadParameter. A pattern may be a template."""
    pattern = template_patterns.sample(pattern)
    if len(pattern) > patterns.MAX_PATTERN // 4:
        raise BadParameter(f"pattern of {len(pattern)} characters, at most {patterns.MAX_PATTERN // 4} are read")
    if not pattern.startswith(("/", HOME, f"{ANY_FOLDERS}/")):
        raise BadParameter(f"{pattern!r}: a pattern of paths begins with /, ~/ or **/")
    names = _names(pattern)
    for name in names:
        if name in (".", ".."):
            raise BadParameter(f"{pattern!r}: paths are compared when they are resolved, without . and ..")
        if ANY_FOLDERS in name and name != ANY_FOLDERS:
            raise BadParameter(f"{pattern!r}: ** stands alone between slashes, as in /srv/**/x")
    if "" in names[:-1]:
        raise BadParameter(f"{pattern!r}: two slashes together never fit")


def expand(text: str, traits: Traits) -> list[str]:
    """The patterns that a template stands for; none without the trait, or when it cannot be read."""
    return template_patterns.expand(text, traits, literal)


def literal(text: str) -> str:
    """A pattern that fits this text alone."""
    return template_patterns.escaped(text, _MARKS)


def matches(pattern: str, path: str, home: str = "") -> bool:
    """Whether a resolved path fits. `~/` fits nothing where there is no home."""
    if pattern.startswith(HOME):
        if not home:
            return False
        pattern = literal(home.rstrip("/")) + pattern[1:]
    return _compiled(pattern).matches(path)


def covers(pattern: str, path: str, home: str = "") -> bool:
    """Whether the path and whatever is below it fits."""
    return _names(pattern)[-1] == ANY_FOLDERS and matches(pattern, path, home)


def is_one_name(pattern: str) -> bool:
    """Whether it looks at one name alone, in whatever folder: `**/x`, or `**/x/**`."""
    names = _names(pattern)
    first, one, rest = names[0], names[1] if len(names) > 1 else ANY_FOLDERS, names[2:]
    return first == ANY_FOLDERS and one != ANY_FOLDERS and rest in ([], [ANY_FOLDERS])


def base(pattern: str, home: str = "") -> str:
    """The folder, or the file, at which everything that fits begins; empty when that may be anywhere."""
    if pattern.startswith(HOME):
        if not home:
            return ""
        pattern = literal(home.rstrip("/")) + pattern[1:]
    known = _known(_names(pattern))
    return "".join(f"/{_plain(name)}" for name in known)


def rebased(pattern: str, real: Mapping[str, str], home: str = "") -> str:
    """The pattern where its base really is; empty where that is known to be the same, or not known."""
    start = base(pattern, home)
    found = real.get(start, start)
    if not start or found == start:
        return ""
    if pattern.startswith(HOME):
        pattern = literal(home.rstrip("/")) + pattern[1:]
    names = _names(pattern)
    rest = names[len(_known(names)) :]
    return "".join([literal(found.rstrip("/")), *(f"/{name}" for name in rest)]) or "/"


def _known(names: list[str]) -> list[str]:
    known = []
    for name in names:
        if _has_mark(name):
            break
        known.append(name)
    return known


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> patterns.Regex:
    names = _names(pattern)
    out = []
    for number, name in enumerate(names):
        if name != ANY_FOLDERS:
            out.append("/" + _name(name))
        else:
            out.append("(?:/.*)?" if number == len(names) - 1 else "(?:/[^/]+)*")
    return patterns.Regex(rf"(?s)\A{''.join(out)}\z")


def _names(pattern: str) -> list[str]:
    return pattern.removeprefix("/").split("/")


def _pieces(name: str) -> list[tuple[str, bool]]:
    """Characters, each with whether it is a mark."""
    found, at = [], 0
    while at < len(name):
        if name[at] == "\\" and at + 1 < len(name):
            found.append((name[at + 1], False))
            at += 2
        else:
            found.append((name[at], name[at] in "*?"))
            at += 1
    return found


def _has_mark(name: str) -> bool:
    return any(is_mark for _, is_mark in _pieces(name))


def _plain(name: str) -> str:
    return "".join(char for char, _ in _pieces(name))


def _name(name: str) -> str:
    marks = {"*": "[^/]*", "?": "[^/]"}
    return "".join(marks[char] if is_mark else re.escape(char) for char, is_mark in _pieces(name))
