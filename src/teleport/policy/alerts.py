"""Cluster alerts: whom each is for, which of them are shown, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from teleport.model.resources.cluster_alert import (
    ACCESS_LIST,
    PERMIT_ALL,
    SEVERITIES,
    SUPERSEDES,
    VERB_PERMIT,
    YES,
    ClusterAlert,
)

Holds = Callable[[str, str], bool]
"""Whether somebody holds a verb on a kind."""


def is_for(alert: ClusterAlert, holds: Holds, owned_lists: Collection[str] = ()) -> bool:
    """Everybody, holders of one of the verbs it names, owners of the list it is about, or who may read all alerts."""
    labels = alert.metadata.labels
    if labels.get(PERMIT_ALL) == YES:
        return True
    for permit in filter(None, labels.get(VERB_PERMIT, "").split("|")):
        kind, _, verb = permit.partition(":")
        if holds(kind, verb):
            return True
    if labels.get(ACCESS_LIST, "") in owned_lists:
        return True
    return holds(ClusterAlert.KIND, "list") and holds(ClusterAlert.KIND, "read")


def shown(
    alerts: Iterable[ClusterAlert],
    now: datetime,
    *,
    acknowledged: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
) -> list[ClusterAlert]:
    """Of those that somebody may see: not over, not acknowledged, not superseded by another one that is as severe.

    `labels` are what each must have. The most severe first, then the newest.
    """
    open_ones = [one for one in alerts if not is_over(one, now) and one.name not in acknowledged]
    superseded = {
        (by.metadata.labels[SUPERSEDES], weight(by.spec.severity))
        for by in open_ones
        if by.metadata.labels.get(SUPERSEDES)
    }
    found = [
        one
        for one in open_ones
        if not any(name == one.name and by >= weight(one.spec.severity) for name, by in superseded)
        and has(one, labels or {})
    ]
    return sorted(found, key=order)


def order(alert: ClusterAlert) -> tuple[int, float, str]:
    created = alert.spec.created
    return -weight(alert.spec.severity), -created.timestamp() if created else 0.0, alert.name


def weight(severity: str) -> int:
    """0 to 2."""
    return [str(one) for one in SEVERITIES].index(severity)


def has(alert: ClusterAlert, labels: Mapping[str, str]) -> bool:
    return all(alert.metadata.labels.get(key) == value for key, value in labels.items())


def is_over(alert: ClusterAlert, now: datetime) -> bool:
    return alert.metadata.expires is not None and alert.metadata.expires <= now
