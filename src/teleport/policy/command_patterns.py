"""Patterns of commands, matched word by word and from end to end: `systemctl restart web-*`.

`*` and `?` stand for what one argument holds, `**` as the last word for any further arguments. A backslash takes the
next character as it is. No pattern reaches past the argument it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from teleport.foundation.errors import BadParameter
from teleport.policy import patterns, template_patterns
from teleport.policy.templates import Traits

ANY_ARGUMENTS = "**"
MAX_PATTERN = 1024
_MARKS = "*?\\ \t"


def check(pattern: str) -> None:
    """Raises BadParameter. A pattern may be a template."""
    pattern = template_patterns.sample(pattern)
    if len(pattern) > MAX_PATTERN:
        raise BadParameter(f"pattern of {len(pattern)} characters, at most {MAX_PATTERN} are read")
    words = _words(pattern)
    if not words:
        raise BadParameter("a pattern of commands is empty")
    if words[0] == ANY_ARGUMENTS or any(ANY_ARGUMENTS in word for word in words[:-1]):
        raise BadParameter(f"{pattern!r}: ** stands for further arguments, as the last word alone")
    if ANY_ARGUMENTS in words[-1] and words[-1] != ANY_ARGUMENTS:
        raise BadParameter(f"{pattern!r}: ** stands for further arguments, as the last word alone")


def expand(text: str, traits: Traits) -> list[str]:
    """The patterns that a template stands for, with texts of traits as they are; none when it cannot be read."""
    return template_patterns.expand(text, traits, literal)


def literal(text: str) -> str:
    """The pattern of this text alone, within one word."""
    return template_patterns.escaped(text, _MARKS)


def matches(pattern: str, words: Sequence[str], *, by_base_name: bool = False) -> bool:
    """Whether the words of a command fit. `by_base_name`: a program named without a folder fits in any."""
    wanted = _compiled(pattern)
    if not wanted.words or len(words) < len(wanted.words):
        return False
    if len(words) > len(wanted.words) and not wanted.has_more:
        return False
    first = words[0]
    if by_base_name and not wanted.has_folder:
        first = first.rsplit("/", 1)[-1]
    given = (first, *words[1:])
    return all(word.matches(text) for word, text in zip(wanted.words, given, strict=False))


class _Pattern:
    """`has_more`: any further arguments are fine."""

    def __init__(self, pattern: str) -> None:
        words = _words(pattern)
        self.has_more = len(words) > 1 and words[-1] == ANY_ARGUMENTS
        plain = words[:-1] if self.has_more else words
        self.words = [patterns.Regex(rf"(?s)\A{_word(word)}\z") for word in plain]
        self.has_folder = bool(plain) and "/" in plain[0]


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> _Pattern:
    return _Pattern(pattern)


def _words(pattern: str) -> list[str]:
    """Split where a blank stands that is not escaped."""
    return re.findall(r"(?:\\.|[^\\ \t]|\\\Z)+", pattern, re.DOTALL)


def _word(word: str) -> str:
    marks = {"*": ".*", "?": "."}
    out, at = [], 0
    while at < len(word):
        if word[at] == "\\" and at + 1 < len(word):
            out.append(re.escape(word[at + 1]))
            at += 2
        else:
            out.append(marks.get(word[at]) or re.escape(word[at]))
            at += 1
    return "".join(out)
