"""Events of cluster alerts. The reference knows none; a message that everybody reads should have an author."""

from __future__ import annotations

from typing import ClassVar

from teleport.model.events.base import ResourceEvent


class ClusterAlertCreated(ResourceEvent):
    type: ClassVar[str] = "cluster_alert.create"
    code: ClassVar[str] = "TALERT00I"

    severity: str = ""
    message: str = ""


class ClusterAlertAcknowledged(ResourceEvent):
    type: ClassVar[str] = "cluster_alert.ack"
    code: ClassVar[str] = "TALERT01I"

    reason: str = ""


class ClusterAlertCleared(ResourceEvent):
    """Its acknowledgement was taken back."""

    type: ClassVar[str] = "cluster_alert.ack.delete"
    code: ClassVar[str] = "TALERT02I"
