"""Login rules: the traits that an identity provider gave, rewritten before roles are found for them.

Rules run in order of priority and name, each on what the one before made. Whatever a rule cannot make into traits
ends the login.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from teleport.foundation.errors import BadParameter
from teleport.model.resources.login_rule import LoginRule
from teleport.policy.expressions import Scope, Value
from teleport.policy.functions import Texts, bounded
from teleport.policy.languages import LOGIN, TRAITS
from teleport.policy.shapes import LIST, TEXT, as_list
from teleport.policy.templates import Traits

MAX_TRAITS = 1024
_Apply: TypeAlias = Callable[[Scope], dict[str, Texts]]


def apply(rules: Iterable[LoginRule], traits: Traits) -> dict[str, Texts]:
    """The traits that a login has in the end; those without a value are left out.

    Raises BadParameter, naming the rule, for one that cannot be read or does not give traits.
    """
    found: dict[str, Texts] = {name: tuple(dict.fromkeys(values)) for name, values in traits.items()}
    for rule in sorted(rules, key=lambda one: (one.spec.priority, one.name)):
        try:
            found = _kept(_compiled(rule)({"external": found}))
        except BadParameter as problem:
            raise BadParameter(f"login rule {rule.name!r}: {problem.message}") from problem
    return found


def check(rule: LoginRule) -> None:
    """Raises BadParameter, with the field and the column, for a rule that cannot be used."""
    _compiled(rule)


def _kept(traits: Mapping[str, Texts]) -> dict[str, Texts]:
    if len(traits) > MAX_TRAITS:
        raise BadParameter(f"result has {len(traits)} traits, at most {MAX_TRAITS} are kept")
    found: dict[str, Texts] = {}
    for name, values in traits.items():
        kept = bounded(dict.fromkeys(value for value in values if value))
        if kept and name:
            found[name] = kept
    return found


def _compiled(rule: LoginRule) -> _Apply:
    spec = rule.spec
    if spec.traits_expression.strip():
        return _expression(spec.traits_expression)
    return _map({name: tuple(values) for name, values in spec.traits_map.items()})


def _expression(text: str) -> _Apply:
    value = _value(text, True, "spec.traits_expression")

    def run(scope: Scope) -> dict[str, Texts]:
        made = value.of(scope)
        if not isinstance(made, Mapping):
            raise BadParameter("spec.traits_expression: the result is not a dict")
        return {str(name): as_list(values) for name, values in made.items()}

    return run


def _map(written: Mapping[str, Sequence[str]]) -> _Apply:
    compiled = {
        name: [_value(text, False, f"spec.traits_map.{name}") for text in texts] for name, texts in written.items()
    }

    def run(scope: Scope) -> dict[str, Texts]:
        return {
            name: tuple(item for value in values for item in as_list(value.of(scope)))
            for name, values in compiled.items()
        }

    return run


@lru_cache(maxsize=256)
def _value(text: str, is_map: bool, field: str) -> Value:
    try:
        return Value(text, LOGIN, (TRAITS,) if is_map else (LIST, TEXT))
    except BadParameter as problem:
        raise BadParameter(f"{field}: {problem.message}") from None
