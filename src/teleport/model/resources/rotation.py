"""The state of a certificate authority's rotation, in the authority itself and in heartbeats."""

from __future__ import annotations

from typing import Literal

from teleport.model.resource import Model
from teleport.model.values import Duration, Instant, utc

Phase = Literal["", "standby", "init", "update_clients", "update_servers", "rollback"]


class RotationSchedule(Model):
    update_clients: Instant | None = None
    update_servers: Instant | None = None
    standby: Instant | None = None


class Rotation(Model):
    state: Literal["", "standby", "in_progress"] = ""
    phase: Phase = ""
    mode: Literal["", "manual", "auto"] = ""
    current_id: str = ""
    started: Instant | None = None
    grace_period: Duration | None = None
    last_rotated: Instant | None = None
    schedule: RotationSchedule | None = None

    def check(self) -> None:
        """Makes times UTC. Raises BadParameter."""
        self.started = utc(self.started, "rotation.started")
        self.last_rotated = utc(self.last_rotated, "rotation.last_rotated")
        if self.schedule is not None:
            for field in ("update_clients", "update_servers", "standby"):
                setattr(self.schedule, field, utc(getattr(self.schedule, field), f"rotation.schedule.{field}"))
