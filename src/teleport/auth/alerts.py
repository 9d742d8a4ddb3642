"""Cluster alerts: made and acknowledged by whom rules let, shown to those whom each is for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from teleport.api.route import Empty
from teleport.api.routes.alerts import (
    AcknowledgeAlert,
    Acknowledgement,
    Acknowledgements,
    AlertId,
    Alerts,
    CreateAlert,
    ListAlerts,
    ShownAlert,
)
from teleport.auth.access_lists.members import ListMembers
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import AlreadyExists, BadParameter, LimitExceeded, NotFound
from teleport.model.codec import encode_json
from teleport.model.events.cluster_alert import (
    ClusterAlertAcknowledged,
    ClusterAlertCleared,
    ClusterAlertCreated,
)
from teleport.model.resource import Metadata
from teleport.model.resources.cluster_alert import (
    ACCESS_LIST,
    LINK,
    LINK_TEXT,
    ON_LOGIN,
    PERMIT_ALL,
    PREFIX,
    SEVERITIES,
    SUPERSEDES,
    VERB_PERMIT,
    YES,
    AlertAcknowledgement,
    AlertAcknowledgementSpec,
    ClusterAlert,
    ClusterAlertSpec,
)
from teleport.policy import alerts as policy

DEFAULT_TTL = timedelta(days=1)
MAX_TTL = timedelta(days=90)
MAX_ALERTS = 200
MAX_ACKNOWLEDGEMENTS = 500
_OURS = frozenset({ON_LOGIN, PERMIT_ALL, VERB_PERMIT, SUPERSEDES, LINK, LINK_TEXT})


class AlertDesk:
    """Answers the API."""

    def __init__(self, cluster: Cluster, guard: Guard, members: ListMembers) -> None:
        self._cluster = cluster
        self._guard = guard
        self._members = members

    async def list(self, caller: Caller, request: ListAlerts) -> Alerts:
        """Only what is for the caller. Raises BadParameter, and AccessDenied where everything is asked for."""
        if request.everything:
            await self._guard.require(caller, "list", ClusterAlert.KIND)
            await self._guard.require(caller, "read", ClusterAlert.KIND)
        now = self._cluster.clock.now()
        every = [one async for one in self._cluster.store.iterate(ClusterAlert)]
        is_about_lists = any(ACCESS_LIST in one.metadata.labels for one in every)
        owned = await self._members.owned_by(caller) if is_about_lists else frozenset[str]()
        mine = [
            one
            for one in every
            if policy.is_for(one, lambda kind, verb: self._guard.allows(caller, verb, kind), owned)
        ]
        acknowledged = {one.name for one in await self._acknowledged(now)}
        if request.everything:
            found = sorted((one for one in mine if not policy.is_over(one, now)), key=policy.order)
            found = [one for one in found if policy.has(one, request.labels)]
        else:
            found = policy.shown(mine, now, acknowledged=acknowledged, labels=request.labels)
        return Alerts(tuple(_shown(one, is_acknowledged=one.name in acknowledged) for one in found))

    async def create(self, caller: Caller, request: CreateAlert) -> ShownAlert:
        """Raises AccessDenied, BadParameter, LimitExceeded."""
        await self._guard.require(caller, "create", ClusterAlert.KIND)
        if unknown := sorted(key for key in request.labels if key.startswith(PREFIX) and key not in _OURS):
            raise BadParameter(f"label {unknown[0]!r}: of {PREFIX} alerts have only {', '.join(sorted(_OURS))}")
        now = self._cluster.clock.now()
        there = [one async for one in self._cluster.store.iterate(ClusterAlert)]
        if sum(not policy.is_over(one, now) for one in there) >= MAX_ALERTS:
            raise LimitExceeded(f"there are {MAX_ALERTS} alerts already; wait for some to expire")
        labels = dict(request.labels) or {ON_LOGIN: YES, PERMIT_ALL: YES}
        alert = ClusterAlert(
            metadata=Metadata(name=new_uuid(), labels=labels, expires=now + _ttl(request.ttl)),
            spec=ClusterAlertSpec(
                severity=_severity(request.severity or "low"), message=request.message, created=now
            ),
        )
        alert.check()
        written = await self._cluster.store.create(alert)
        await self._cluster.journal.record(
            ClusterAlertCreated(
                name=written.name,
                expires=written.expires,
                updated_by=caller.name,
                severity=written.spec.severity,
                message=written.spec.message,
                **caller.event_fields(),
            )
        )
        return _shown(written, is_acknowledged=False)

    async def acknowledge(self, caller: Caller, request: AcknowledgeAlert) -> Acknowledgement:
        """Raises AccessDenied, AlreadyExists, BadParameter, LimitExceeded."""
        await self._guard.require(caller, "update", ClusterAlert.KIND, name=request.id)
        now = self._cluster.clock.now()
        in_force = await self._acknowledged(now)
        if any(one.name == request.id for one in in_force):
            raise AlreadyExists(f"alert {request.id!r} is acknowledged already; `tctl alerts ack --clear` undoes it")
        if len(in_force) >= MAX_ACKNOWLEDGEMENTS:
            raise LimitExceeded(f"{MAX_ACKNOWLEDGEMENTS} alerts are acknowledged already; wait for some to expire")
        made = AlertAcknowledgement(
            metadata=Metadata(name=request.id, expires=now + _ttl(request.ttl)),
            spec=AlertAcknowledgementSpec(reason=request.reason, acknowledged_by=caller.name, created=now),
        )
        made.check()
        written = await self._cluster.store.upsert(made)
        await self._cluster.journal.record(
            ClusterAlertAcknowledged(
                name=written.name,
                expires=written.expires,
                updated_by=caller.name,
                reason=request.reason,
                **caller.event_fields(),
            )
        )
        return _told(written)

    async def acknowledgements(self, caller: Caller, request: Empty) -> Acknowledgements:
        """In order of their ends."""
        await self._guard.require(caller, "list", ClusterAlert.KIND)
        await self._guard.require(caller, "read", ClusterAlert.KIND)
        told = [_told(one) for one in await self._acknowledged(self._cluster.clock.now())]
        return Acknowledgements(tuple(sorted(told, key=lambda one: (one.expires, one.id))))

    async def clear(self, caller: Caller, request: AlertId) -> Empty:
        """Raises AccessDenied, NotFound."""
        await self._guard.require(caller, "update", ClusterAlert.KIND, name=request.id)
        if not any(one.name == request.id for one in await self._acknowledged(self._cluster.clock.now())):
            raise NotFound(f"alert {request.id!r} is not acknowledged")
        await self._cluster.store.delete(AlertAcknowledgement, request.id)
        await self._cluster.journal.record(
            ClusterAlertCleared(name=request.id, updated_by=caller.name, **caller.event_fields())
        )
        return Empty()

    async def _acknowledged(self, now: datetime) -> Sequence[AlertAcknowledgement]:
        every = self._cluster.store.iterate(AlertAcknowledgement)
        return [one async for one in every if one.expires is None or one.expires > now]


def _severity(text: str) -> Literal["LOW", "MEDIUM", "HIGH"]:
    for one in SEVERITIES:
        if one == text.upper():
            return one
    raise BadParameter(f"severity is {text[:40]!r}, expected low, medium or high")


def _ttl(asked: timedelta | None) -> timedelta:
    ttl = DEFAULT_TTL if asked is None else asked
    if not timedelta() < ttl <= MAX_TTL:
        raise BadParameter(f"ttl is {ttl}, expected more than nothing and at most {MAX_TTL.days} days")
    return ttl


def _shown(alert: ClusterAlert, *, is_acknowledged: bool) -> ShownAlert:
    return ShownAlert(alert=msgspec.Raw(encode_json(alert)), acknowledged=is_acknowledged)


def _told(one: AlertAcknowledgement) -> Acknowledgement:
    assert one.expires is not None
    return Acknowledgement(
        id=one.name, reason=one.spec.reason, acknowledged_by=one.spec.acknowledged_by, expires=one.expires
    )
