"""Access monitoring rules: conditions over a request, whom they tell, what they decide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.access_monitoring_rule import (
    AccessMonitoringRule,
    AccessMonitoringRuleSpec,
    AutomaticReview,
    Notification,
)
from teleport.model.resources.access_request import AccessRequest, AccessRequestSpec
from teleport.policy.access_monitoring import Notice, Verdict, automatic_review, check, notices

LABELS = [{"env": "dev", "team": "a"}, {"env": "dev", "team": "b"}]
TRAITS = {"level": ["L1", "L2"]}


def request(**fields: Any) -> AccessRequest:
    given: dict[str, Any] = {"user": "alice", "roles": ["dev", "ops"], "request_reason": "INC-1"}
    spec = AccessRequestSpec(**(given | fields))
    spec.system_annotations = {"services": ["s1"]}
    spec.suggested_reviewers = ["bob"]
    spec.created = datetime(2030, 1, 1, tzinfo=UTC)
    return AccessRequest(metadata=Metadata(name="id"), spec=spec)


def rule(
    condition: str = "true",
    name: str = "r",
    *,
    decision: Any = None,
    told: list[str] | None = None,
    subjects: list[str] | None = None,
    integration: str = "builtin",
    desired: Any = "reviewed",
) -> AccessMonitoringRule:
    spec = AccessMonitoringRuleSpec(
        subjects=["access_request"] if subjects is None else subjects,
        condition=condition,
        notification=Notification(name="slack", recipients=told) if told else None,
        automatic_review=AutomaticReview(integration=integration, decision=decision) if decision else None,
        desired_state=desired if decision else "",
    )
    return AccessMonitoringRule(metadata=Metadata(name=name), spec=spec)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('access_request.spec.roles.contains("dev")', True),
        ('contains(access_request.spec.roles, "admin")', False),
        ('contains_all(set("dev", "ops", "x"), access_request.spec.roles)', True),
        ('contains_all(set("dev"), access_request.spec.roles)', False),
        ('access_request.spec.roles.contains_any(set("ops", "y"))', True),
        ("is_empty(access_request.spec.suggested_reviewers)", False),
        ("!access_request.spec.suggested_reviewers.is_empty()", True),
        ('access_request.spec.system_annotations["services"].contains("s1")', True),
        ('is_empty(access_request.spec.system_annotations["absent"])', True),
        ('access_request.spec.user == "alice" && access_request.spec.request_reason != ""', True),
        ('access_request.spec.creation_time == "2030-01-01T00:00:00Z"', True),
        ('user.traits["level"].contains("L1")', True),
        ('user.traits.level.contains("L9")', False),
        ('access_request.spec.resource_labels_intersection["env"].contains("dev")', True),
        ('access_request.spec.resource_labels_intersection["team"].contains("a")', False),
        ('access_request.spec.resource_labels_union["team"].contains("b")', True),
        ('regexp.match(access_request.spec.roles, "d*")', True),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    check(rule(condition))
    assert bool(notices([rule(condition, told=["#ops"])], request(), TRAITS, LABELS)) is expected


@pytest.mark.parametrize(
    "condition", ["access_request.spec.absent == 1", "access_request.roles", "resource.kind", "contains(", '"text"']
)
def test_refused_with_the_column(condition: str) -> None:
    with pytest.raises(BadParameter, match=r"spec\.condition: column"):
        check(rule(condition))


def test_tells_by_rule_name() -> None:
    rules = [rule(name="b", told=["x"]), rule(name="a", told=["y", "z"]), rule("false", "c", told=["w"])]
    found = notices(rules, request(), {})
    assert found == [Notice("a", "slack", ("y", "z")), Notice("b", "slack", ("x",))]


def test_only_rules_for_requests_count() -> None:
    assert notices([rule(told=["x"], subjects=["other"])], request(), {}) == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], None),
        ([rule(decision="APPROVED")], Verdict("r", "APPROVED")),
        ([rule("false", decision="APPROVED")], None),
        ([rule(name="a", decision="APPROVED"), rule(name="b", decision="DENIED")], Verdict("b", "DENIED")),
        ([rule(name="b", decision="APPROVED"), rule(name="a", decision="APPROVED")], Verdict("a", "APPROVED")),
        ([rule(decision="APPROVED", integration="other")], None),
        ([rule(decision="APPROVED", desired="")], None),
        ([rule("contains(", decision="APPROVED")], None),
        ([rule(told=["x"])], None),
    ],
)
def test_automatic_reviews(rules: list[AccessMonitoringRule], expected: Verdict | None) -> None:
    assert automatic_review(rules, request(), {}) == expected
    assert automatic_review(rules[::-1], request(), {}) == expected


@pytest.mark.parametrize("state", ["APPROVED", "DENIED", "PROMOTED", "NONE"])
def test_only_what_waits_is_reviewed(state: Any) -> None:
    assert automatic_review([rule(decision="APPROVED")], request(state=state), {}) is None
