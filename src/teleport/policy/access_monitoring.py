"""Access monitoring rules: whom to tell of an access request, and which requests are decided without a person.

A condition that cannot be read or run matches nothing. Where rules disagree on a request, the denial wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.access_monitoring_rule import AccessMonitoringRule
from teleport.model.resources.access_request import AccessRequest
from teleport.policy import expressions
from teleport.policy.expressions import Expression
from teleport.policy.languages import MONITORING
from teleport.policy.shapes import plain
from teleport.policy.templates import Traits

SUBJECT: Final = "access_request"
BUILT_IN: Final = "builtin"
"""The integration whose reviews this cluster gives by itself."""


class Notice(msgspec.Struct, frozen=True):
    """`plugin` tells `recipients`."""

    rule: str
    plugin: str
    recipients: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """What the rule decides on its own."""

    rule: str
    decision: Literal["APPROVED", "DENIED"]


def check(rule: AccessMonitoringRule) -> None:
    """Raises BadParameter, with the column, for a condition that cannot be used."""
    try:
        expressions.check(rule.spec.condition, MONITORING)
    except BadParameter as problem:
        raise BadParameter(f"spec.condition: {problem.message}") from None


def notices(
    rules: Iterable[AccessMonitoringRule],
    request: AccessRequest,
    traits: Traits,
    resource_labels: Sequence[Mapping[str, str]] = (),
) -> list[Notice]:
    """By rule name. `traits` are those of who asks, `resource_labels` those of each resource that is asked for."""
    found: list[Notice] = []
    for rule in _matching(rules, request, traits, resource_labels):
        told = rule.spec.notification
        if told is not None:
            found.append(Notice(rule.name, told.name, tuple(told.recipients)))
    return found


def automatic_review(
    rules: Iterable[AccessMonitoringRule],
    request: AccessRequest,
    traits: Traits,
    resource_labels: Sequence[Mapping[str, str]] = (),
    *,
    integration: str = BUILT_IN,
) -> Verdict | None:
    """What rules decide of a request that waits; None leaves it to people."""
    if request.spec.state != "PENDING":
        return None
    approved: Verdict | None = None
    for rule in _matching(rules, request, traits, resource_labels):
        review = rule.spec.automatic_review
        if review is None or rule.spec.desired_state != "reviewed" or review.integration != integration:
            continue
        if review.decision == "DENIED":
            return Verdict(rule.name, "DENIED")
        if review.decision == "APPROVED" and approved is None:
            approved = Verdict(rule.name, "APPROVED")
    return approved


def _matching(
    rules: Iterable[AccessMonitoringRule],
    request: AccessRequest,
    traits: Traits,
    resource_labels: Sequence[Mapping[str, str]],
) -> Iterator[AccessMonitoringRule]:
    scope = _scope(request, traits, resource_labels)
    for rule in sorted(rules, key=lambda one: one.name):
        if SUBJECT not in rule.spec.subjects:
            continue
        try:
            if Expression(rule.spec.condition, MONITORING).holds(scope):
                yield rule
        except BadParameter:
            continue


def _scope(request: AccessRequest, traits: Traits, resource_labels: Sequence[Mapping[str, str]]) -> dict[str, object]:
    spec = request.spec
    every = [{(key, value) for key, value in labels.items()} for labels in resource_labels]
    return {
        "access_request": {
            "metadata": {"name": request.name},
            "spec": {
                "roles": tuple(spec.roles),
                "suggested_reviewers": tuple(spec.suggested_reviewers),
                "system_annotations": {key: tuple(values) for key, values in spec.system_annotations.items()},
                "user": spec.user,
                "request_reason": spec.request_reason,
                "creation_time": plain(spec.created),
                "expiry": plain(spec.expires),
                "state": spec.state,
                "resource_labels_union": _by_key(set[tuple[str, str]]().union(*every)),
                "resource_labels_intersection": _by_key(set.intersection(*every) if every else set()),
            },
        },
        "user": {"traits": {name: tuple(values) for name, values in traits.items()}},
    }


def _by_key(pairs: set[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key, value in sorted(pairs):
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
