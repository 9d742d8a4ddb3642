"""Patterns people write: literals, `*` globs and `^regex$`. All run in time linear in what they look at.

`*` is the only glob character; every other character stands for itself. A text that starts with `^` and ends with `$`
is an RE2 regular expression, taken as it is (`^a|b$` is `^a` or `b$`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

import re2

from teleport.foundation.errors import BadParameter

MAX_PATTERN = 4096
MAX_RESULT = 64 * 1024
_MAX_MEMORY = 4 << 20
WILDCARD = "*"


class Match(Protocol):
    """A match of a regular expression; group 0 is the whole."""

    def group(self, which: int | str = 0, /) -> str | None: ...
    def start(self) -> int: ...
    def end(self) -> int: ...
    def groupdict(self) -> dict[str, str | None]: ...
    def groups(self) -> tuple[str | None, ...]: ...


class Regex:
    """An RE2 expression: bounded memory, linear time, no look-around, no back references."""

    __slots__ = ("_compiled", "pattern")

    def __init__(self, pattern: str) -> None:
        """Raises BadParameter for what RE2 refuses, and for what is too long."""
        if len(pattern) > MAX_PATTERN:
            raise BadParameter(f"regular expression of {len(pattern)} characters, at most {MAX_PATTERN} are read")
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        self.pattern = pattern
        try:
            self._compiled = re2.compile(pattern, options)
        except (re2.error, UnicodeError) as refused:
            raise BadParameter(f"regular expression {pattern[:80]!r} is refused: {_cause(refused)}") from None

    def matches(self, text: str) -> bool:
        """Whether it is found anywhere in the text (anchors are its own business)."""
        try:
            return self._compiled.search(text) is not None
        except UnicodeEncodeError:
            return self._compiled.search(_plain(text)) is not None

    def find_all(self, text: str) -> list[Match]:
        try:
            return list(self._compiled.finditer(text))
        except UnicodeEncodeError:
            return list(self._compiled.finditer(_plain(text)))


def _cause(refused: Exception) -> str:
    first = refused.args[0] if refused.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(refused)


def _plain(text: str) -> str:
    """Lone surrogates, which no regular expression can mean, become question marks."""
    return text.encode("utf-8", "replace").decode()


@lru_cache(maxsize=4096)
def regex(pattern: str) -> Regex:
    """Raises BadParameter."""
    return Regex(pattern)


def is_regex(text: str) -> bool:
    return len(text) > 1 and text[0] == "^" and text[-1] == "$"


def is_literal(text: str) -> bool:
    return WILDCARD not in text and not is_regex(text)


@lru_cache(maxsize=8192)
def matcher(pattern: str) -> Callable[[str], bool]:
    """The test that a literal, glob or `^regex$` stands for. Raises BadParameter."""
    if is_regex(pattern):
        return regex(pattern).matches
    return glob(pattern)


def glob(pattern: str) -> Callable[[str], bool]:
    """Fully anchored; `*` is any run of characters, also an empty one."""
    if WILDCARD not in pattern:
        return pattern.__eq__
    first, *middle, last = pattern.split(WILDCARD)
    middle = [part for part in middle if part]
    if not (first or middle or last):
        return lambda _text: True
    shortest = len(first) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        position, end = len(first), len(text) - len(last)
        for part in middle:
            found = text.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return matches


class PatternSet:
    """Several patterns, any of which may match."""

    __slots__ = ("_literals", "_tests", "matches_all", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises BadParameter."""
        self.patterns = tuple(patterns)
        self.matches_all = WILDCARD in self.patterns
        self._literals = frozenset(pattern for pattern in self.patterns if is_literal(pattern))
        self._tests = tuple(matcher(pattern) for pattern in self.patterns if not is_literal(pattern))

    def matches(self, text: str) -> bool:
        if self.matches_all or text in self._literals:
            return True
        for test in self._tests:  # noqa: SIM110 - a generator costs more than most tests
            if test(text):
                return True
        return False


_REPLACEMENT = re.compile(r"\$(?:(\$)|\{(\w{1,64})\}|(\w{1,64}))", re.ASCII)


def replace(expression: Regex, text: str, replacement: str) -> str | None:
    """Every match replaced; `$1`, `${1}` and `${name}` are captures, `$$` a dollar. None when nothing matches.

    Raises BadParameter for a result of more than MAX_RESULT characters.
    """
    found = expression.find_all(text)
    if not found:
        return None
    pieces = _pieces(replacement)
    out: list[str] = []
    position = size = 0
    for match in found:
        for part in (text[position : match.start()], *(_piece(piece, match) for piece in pieces)):
            out.append(part)
            size += len(part)
            if size > MAX_RESULT:
                raise BadParameter(f"result is larger than {MAX_RESULT} characters")
        position = match.end()
    return "".join([*out, text[position:]])


def _pieces(replacement: str) -> list[str | tuple[str]]:
    """Plain texts, and in tuples the names of captures."""
    pieces: list[str | tuple[str]] = []
    position = 0
    for reference in _REPLACEMENT.finditer(replacement):
        pieces.append(replacement[position : reference.start()])
        pieces.append("$" if reference[1] else (reference[2] or reference[3],))
        position = reference.end()
    return [*pieces, replacement[position:]]


def _piece(piece: str | tuple[str], match: Match) -> str:
    if isinstance(piece, str):
        return piece
    (name,) = piece
    if name.isdecimal():
        number = int(name)
        return (match.group(number) or "") if number <= len(match.groups()) else ""
    return match.groupdict().get(name) or ""
