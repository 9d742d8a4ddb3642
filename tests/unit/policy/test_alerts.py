"""Cluster alerts: whom each is for, what hides one, and the order they are shown in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from teleport.model.resource import Metadata
from teleport.model.resources.cluster_alert import (
    ACCESS_LIST,
    PERMIT_ALL,
    SUPERSEDES,
    VERB_PERMIT,
    ClusterAlert,
    ClusterAlertSpec,
)
from teleport.policy import alerts

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def an_alert(name: str, severity: str = "LOW", age: int = 0, labels: dict[str, str] | None = None) -> ClusterAlert:
    return ClusterAlert(
        metadata=Metadata(name=name, labels=labels or {}, expires=NOW + timedelta(hours=1)),
        spec=ClusterAlertSpec(severity=severity, message=name, created=NOW - timedelta(minutes=age)),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("labels", "held", "is_for"),
    [
        ({}, (), False),
        ({PERMIT_ALL: "yes"}, (), True),
        ({PERMIT_ALL: "true"}, (), False),
        ({VERB_PERMIT: "token:create|role:update"}, ("role:update",), True),
        ({VERB_PERMIT: "token:create|role:update"}, ("role:read",), False),
        ({VERB_PERMIT: ""}, (":",), False),
        ({ACCESS_LIST: "dbas"}, (), True),
        ({ACCESS_LIST: "others"}, (), False),
        ({}, ("cluster_alert:list", "cluster_alert:read"), True),
        ({}, ("cluster_alert:list",), False),
    ],
)
def test_an_alert_is_for_whom_its_labels_name(labels: dict[str, str], held: tuple[str, ...], is_for: bool) -> None:
    def holds(kind: str, verb: str) -> bool:
        return f"{kind}:{verb}" in held

    assert alerts.is_for(an_alert("one", labels=labels), holds, {"dbas"}) is is_for


def names(found: list[ClusterAlert]) -> list[str]:
    return [one.name for one in found]


def test_the_most_severe_come_first_then_the_newest() -> None:
    given = [an_alert("old", age=5), an_alert("high", "HIGH", age=9), an_alert("new"), an_alert("mid", "MEDIUM")]
    assert names(alerts.shown(given, NOW)) == ["high", "mid", "new", "old"]
    assert alerts.shown(given, NOW + timedelta(hours=1)) == []
    assert names(alerts.shown(given, NOW, acknowledged={"high", "gone"})) == ["mid", "new", "old"]
    labelled = [*given, an_alert("mine", labels={"place": "here"})]
    assert names(alerts.shown(labelled, NOW, labels={"place": "here"})) == ["mine"]


def test_one_as_severe_supersedes_another_while_it_is_shown() -> None:
    low, high = an_alert("a", "LOW"), an_alert("a", "HIGH")
    by = an_alert("b", "MEDIUM", labels={SUPERSEDES: "a"})
    assert names(alerts.shown([low, by], NOW)) == ["b"]
    assert names(alerts.shown([high, by], NOW)) == ["a", "b"]
    assert names(alerts.shown([low, by], NOW, acknowledged={"b"})) == ["a"]
