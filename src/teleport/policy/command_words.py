"""A command line as plain words: what a shell would run without doing anything but taking quotes away.

Anything else a shell does (variables, substitutions, lists, pipes, redirections, braces, comments) makes it no plain
command. Patterns of file names and home directories are told apart, as some may take them as they stand.
"""

from __future__ import annotations

import msgspec

from teleport.foundation.errors import BadParameter

MAX_LENGTH = 64 << 10
_FORBIDDEN = frozenset("|&;<>()$`\n\r\0{}")
_PATTERN = frozenset("*?[")
_IN_DOUBLE_QUOTES = frozenset('$`"\\')


def not_plain(command: str) -> BadParameter:
    return BadParameter(
        f"{command[:80]!r} is no plain command: it is run by no shell, so quotes are all that is taken away"
    )


class Word(msgspec.Struct, frozen=True):
    """`has_pattern`: an unquoted `*`, `?` or `[` is in it; `has_home`: it begins with an unquoted `~`."""

    text: str
    has_pattern: bool = False
    has_home: bool = False

    @property
    def is_plain(self) -> bool:
        return not (self.has_pattern or self.has_home)


def split(command: str) -> tuple[Word, ...] | None:
    """The words of a plain command; None for any other, for open quotes, and for what is too long."""
    if len(command) > MAX_LENGTH:
        return None
    return _Splitter(command).words()


def plain(command: str) -> tuple[str, ...] | None:
    """The arguments of a command in which a shell would expand nothing at all; None for any other, and for none."""
    words = split(command)
    if not words or not all(word.is_plain for word in words):
        return None
    return tuple(word.text for word in words)


class _Splitter:
    def __init__(self, command: str) -> None:
        self._text = command
        self._at = 0

    def words(self) -> tuple[Word, ...] | None:
        found: list[Word] = []
        while True:
            while self._peek() in (" ", "\t"):
                self._at += 1
            if not self._peek():
                return tuple(found)
            if self._peek() == "#":
                return None
            word = self._word()
            if word is None:
                return None
            found.append(word)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _word(self) -> Word | None:
        parts: list[str] = []
        has_pattern = False
        has_home = self._peek() == "~"
        while (char := self._peek()) and char not in " \t":
            self._at += 1
            if char in _FORBIDDEN:
                return None
            if char in ("'", '"'):
                quoted = self._single() if char == "'" else self._double()
                if quoted is None:
                    return None
                parts.append(quoted)
            elif char == "\\":
                escaped = self._peek()
                if escaped in ("", "\n", "\0"):
                    return None
                self._at += 1
                parts.append(escaped)
            else:
                has_pattern = has_pattern or char in _PATTERN
                parts.append(char)
        return Word("".join(parts), has_pattern, has_home)

    def _single(self) -> str | None:
        end = self._text.find("'", self._at)
        inner = self._text[self._at : end]
        if end < 0 or "\0" in inner:
            return None
        self._at = end + 1
        return inner

    def _double(self) -> str | None:
        parts: list[str] = []
        while char := self._peek():
            self._at += 1
            if char == '"':
                return "".join(parts)
            if char in "$`\0":
                return None
            if char == "\\":
                following = self._peek()
                if following == "\n":
                    return None
                if following in _IN_DOUBLE_QUOTES and following:
                    self._at += 1
                    char = following
            parts.append(char)
        return None
