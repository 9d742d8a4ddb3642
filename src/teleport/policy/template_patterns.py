"""What patterns with templates share: texts of a person are put in as they are, and match only themselves."""

from __future__ import annotations

from collections.abc import Callable

from teleport.foundation.errors import BadParameter
from teleport.policy import templates
from teleport.policy.templates import Traits


def sample(pattern: str) -> str:
    """The pattern with some text where its template is, to be checked. Raises BadParameter."""
    if not _is_template(pattern):
        return pattern
    found = templates.template(pattern)
    return f"{found.prefix}x{found.suffix}"


def expand(text: str, traits: Traits, literal: Callable[[str], str]) -> list[str]:
    """The patterns that a template stands for, texts of traits by `literal`; none when it cannot be read."""
    if not _is_template(text):
        return [text]
    try:
        found = templates.template(text)
        whole = found.expand(traits)
    except BadParameter:
        return []
    end = -len(found.suffix) if found.suffix else None
    return [found.prefix + literal(one[len(found.prefix) : end]) + found.suffix for one in whole]


def escaped(text: str, marks: str) -> str:
    """With a backslash before each of the characters that mean something."""
    return "".join(f"\\{char}" if char in marks else char for char in text)


def _is_template(text: str) -> bool:
    return "{{" in text or "}}" in text
