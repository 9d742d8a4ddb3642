"""Writing audit events: what every event carries is filled in here, and a full log stops no administrator."""

from __future__ import annotations

from teleport.credentials.tokens import new_uuid
from teleport.foundation.clock import Clock
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.events.base import Event
from teleport.storage.audit_log import AuditLog

log = get_logger("auth.journal")


class Journal:
    """The audit log as the auth service's own calls write it."""

    def __init__(self, audit_log: AuditLog, clock: Clock, cluster: str) -> None:
        self._audit_log = audit_log
        self._clock = clock
        self._cluster = cluster

    async def record(self, event: Event) -> str:
        """Fill in uid, time and cluster, keep the event, and return its uid.

        When the log cannot take it the action goes on: an administrator must be able to repair a full disk.
        """
        event.uid = event.uid or new_uuid()
        event.time = event.time or self._clock.now()
        event.cluster_name = event.cluster_name or self._cluster
        try:
            await self._audit_log.emit([event])
        except TeleportError as error:
            log.error("audit event was not kept", event=event.type, code=event.code, uid=event.uid, error=error)
        return event.uid
