"""Matchers of role names in requests and reviews: written ones, and those that a person's traits earn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role_conditions import ClaimMapping
from teleport.policy import patterns, templates
from teleport.policy.templates import Traits

Test: TypeAlias = Callable[[str], bool]


def role_tests(roles: Sequence[str], claims: Sequence[ClaimMapping], traits: Traits) -> tuple[tuple[Test, ...], bool]:
    """The tests that can be read, and whether that is all of them."""
    tests: list[Test] = []
    is_whole = True
    for text in [*roles, *_mapped(claims, traits)]:
        try:
            tests.append(templates.role_matcher(text))
        except BadParameter:
            is_whole = False
    return tuple(tests), is_whole


def _mapped(claims: Sequence[ClaimMapping], traits: Traits) -> list[str]:
    """The role matchers that a person's traits earn; `$1` in them are captures of the value's expression."""
    found: dict[str, None] = {}
    for mapping in claims:
        for value in traits.get(mapping.claim, ()):
            found.update(dict.fromkeys(_mapping(mapping, value)))
    return list(found)


def _mapping(mapping: ClaimMapping, value: str) -> list[str]:
    try:
        if not patterns.is_regex(mapping.value):
            return list(mapping.roles) if patterns.glob(mapping.value)(value) else []
        expression = patterns.regex(mapping.value)
        replaced = [patterns.replace(expression, value, role) for role in mapping.roles]
    except BadParameter:
        return []
    return [role for role in replaced if role]
