"""Every text in a role that is an expression, a template or a pattern, and which of them cannot be read.

Ask before a role is stored: one that cannot be read never allows, and on the deny side refuses everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import LABEL_SELECTORS, RoleConditions
from teleport.policy import command_patterns, command_rules, expressions, path_patterns, patterns, templates
from teleport.policy.languages import LABELS, REVIEW_WHERE, SESSION_FILTER, THRESHOLD, WHERE
from teleport.policy.matching import FIELDS

Texts: TypeAlias = Iterator[tuple[str, str, Callable[[str], object]]]


class Mistake(msgspec.Struct, frozen=True):
    """`field` is the path in the role: `spec.allow.rules[2].where`."""

    field: str
    message: str


def mistakes(role: Role) -> list[Mistake]:
    """In the order of the document; empty for a role that can be read throughout."""
    found: list[Mistake] = []
    for field, text, check in _texts(role):
        try:
            check(text)
        except BadParameter as problem:
            found.append(Mistake(field, problem.message))
    return found


def check(role: Role) -> None:
    """Raises BadParameter naming every field that cannot be read."""
    found = mistakes(role)
    if found:
        listed = "; ".join(f"{one.field}: {one.message}" for one in found)
        raise BadParameter(f"role {role.name!r}: {listed}")


def _texts(role: Role) -> Texts:
    for extension in role.spec.options.cert_extensions:
        yield "spec.options.cert_extensions", extension.value, templates.check
    yield from _files(role)
    yield from _commands(role)
    for name, side in (("allow", role.spec.allow), ("deny", role.spec.deny)):
        for field, text, check_one in _section(side):
            yield f"spec.{name}.{field}", text, check_one


def _files(role: Role) -> Texts:
    rules = role.spec.options.file_rules
    if rules is not None:
        for side, listed in (("deny", rules.deny), ("allow", rules.allow)):
            for number, rule in enumerate(listed):
                yield from _each(f"spec.options.file_rules.{side}[{number}].paths", rule.paths, path_patterns.check)


def _commands(role: Role) -> Texts:
    rules = role.spec.options.command_rules
    if rules is None:
        return
    where = "spec.options.command_rules"
    for side, listed in (("deny", rules.deny), ("ask", rules.ask), ("allow", rules.allow)):
        for number, rule in enumerate(listed):
            yield from _each(f"{where}.{side}[{number}].commands", rule.commands, command_patterns.check)
    for number, asking in enumerate(rules.ask):
        yield from _condition(f"{where}.ask[{number}].filter", asking.filter, _session)
    if rules.forced:
        yield f"{where}.forced", rules.forced, command_rules.check_forced


def _section(side: RoleConditions) -> Texts:
    for name in FIELDS:
        yield from _each(name, getattr(side, name), templates.check)
    for name in LABEL_SELECTORS:
        for key, values in side.selector(name).items():
            yield f"{name}_labels", key, templates.check
            yield from _each(f"{name}_labels.{key}", values, _pattern)
        yield from _condition(f"{name}_labels_expression", side.expression(name), _labels)
    for number, resource in enumerate(side.kubernetes_resources):
        yield from _each(f"kubernetes_resources[{number}]", (resource.name, resource.namespace), _pattern)
    for number, permission in enumerate(side.db_permissions):
        for key, values in permission.match.items():
            yield from _each(f"db_permissions[{number}].match.{key}", values, _pattern)
    yield from _each("mcp.tools", side.mcp.tools if side.mcp is not None else (), patterns.matcher)
    for number, rule in enumerate(side.rules):
        yield from _condition(f"rules[{number}].where", rule.where, _where)
    yield from _impersonation(side)
    yield from _requests(side)
    yield from _sessions(side)


def _impersonation(side: RoleConditions) -> Texts:
    if side.impersonate is not None:
        yield from _each("impersonate.users", side.impersonate.users, _pattern)
        yield from _each("impersonate.roles", side.impersonate.roles, _pattern)
        yield from _condition("impersonate.where", side.impersonate.where, _where)


def _requests(side: RoleConditions) -> Texts:
    if side.request is not None:
        yield from _each("request.roles", side.request.roles, templates.role_matcher)
        for number, mapping in enumerate(side.request.claims_to_roles):
            yield f"request.claims_to_roles[{number}].value", mapping.value, patterns.matcher
        for number, threshold in enumerate(side.request.thresholds):
            yield from _condition(f"request.thresholds[{number}].filter", threshold.filter, _threshold)
        for key, values in side.request.annotations.items():
            yield from _each(f"request.annotations.{key}", values, templates.check)
    review = side.review_requests
    if review is not None:
        yield from _each("review_requests.roles", review.roles, templates.role_matcher)
        for number, mapping in enumerate(review.claims_to_roles):
            yield f"review_requests.claims_to_roles[{number}].value", mapping.value, patterns.matcher
        yield from _condition("review_requests.where", review.where, _review)


def _sessions(side: RoleConditions) -> Texts:
    for number, join in enumerate(side.join_sessions):
        yield from _each(f"join_sessions[{number}].roles", join.roles, patterns.matcher)
    for number, required in enumerate(side.require_session_join):
        yield from _condition(f"require_session_join[{number}].filter", required.filter, _session)


def _each(field: str, texts: Iterable[str], check_one: Callable[[str], object]) -> Texts:
    for text in texts:
        yield field, text, check_one


def _condition(field: str, text: str, check_one: Callable[[str], object]) -> Texts:
    if text.strip():
        yield field, text, check_one


def _pattern(text: str) -> None:
    """A template, or what will be matched as it stands."""
    if "{{" in text or "}}" in text:
        templates.check(text)
    else:
        patterns.matcher(text)


def _labels(text: str) -> None:
    expressions.check(text, LABELS)


def _where(text: str) -> None:
    expressions.check(text, WHERE)


def _threshold(text: str) -> None:
    expressions.check(text, THRESHOLD)


def _review(text: str) -> None:
    expressions.check(text, REVIEW_WHERE)


def _session(text: str) -> None:
    expressions.check(text, SESSION_FILTER)
