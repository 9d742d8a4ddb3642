"""What templates and expressions may do to texts. Each takes and gives a tuple; results are bounded in size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from teleport.foundation.errors import BadParameter
from teleport.policy.patterns import MAX_RESULT, Regex, replace

Texts: TypeAlias = tuple[str, ...]

MAX_TEXTS = 4096
MAX_CHARACTERS = MAX_RESULT
_ADDRESS = re.compile(r"(?:[^<>]*<([^<>\s]+@[^<>\s@]+)>|([^<>\s]+@[^<>\s@]+))\s*\Z")


def bounded(values: Iterable[str]) -> Texts:
    """Raises BadParameter for a result that grows past what any role needs."""
    kept: list[str] = []
    characters = 0
    for value in values:
        kept.append(value)
        characters += len(value)
        if len(kept) > MAX_TEXTS or characters > MAX_CHARACTERS:
            raise BadParameter(f"result is larger than {MAX_TEXTS} values or {MAX_CHARACTERS} characters")
    return tuple(kept)


def upper(values: Texts) -> Texts:
    return bounded(value.upper() for value in values)


def lower(values: Texts) -> Texts:
    return bounded(value.lower() for value in values)


def replace_all(values: Texts, old: str, new: str) -> Texts:
    """Raises BadParameter when there is nothing to look for."""
    if not old:
        raise BadParameter("strings.replaceall needs a text to replace")
    return bounded(_replaced(value, old, new) for value in values)


def _replaced(value: str, old: str, new: str) -> str:
    # reckoned before it is built
    if value.count(old) * len(new) > MAX_CHARACTERS:
        raise BadParameter(f"result is larger than {MAX_CHARACTERS} characters")
    return value.replace(old, new)


def split(values: Texts, separator: str) -> Texts:
    if not separator:
        raise BadParameter("strings.split needs a separator")
    return bounded(part for value in values for part in value.split(separator))


def email_local(values: Texts) -> Texts:
    """The part before the @ of each. Raises BadParameter for what is no address."""
    return tuple(_address(value).rpartition("@")[0] for value in values)


def email_domain(values: Texts) -> Texts:
    """The part behind the @ of each. Raises BadParameter for what is no address."""
    return tuple(_address(value).rpartition("@")[2] for value in values)


def _address(value: str) -> str:
    found = _ADDRESS.match(value.strip())
    if found is None:
        raise BadParameter(f"{value[:80]!r} is not an e-mail address")
    return found[1] or found[2]


def regexp_replace(values: Texts, expression: Regex, replacement: str) -> Texts:
    """Values that do not match are left out; `$1` and `${name}` in the replacement are captures."""
    replaced = (replace(expression, value, replacement) for value in values)
    return bounded(value for value in replaced if value is not None)
