"""Semaphore: leases that count something cluster wide, such as a user's SSH connections."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Instant


class SemaphoreLease(Model):
    lease_id: str
    expires: Instant
    holder: str = ""


class SemaphoreSpec(Model):
    leases: list[SemaphoreLease] = []


class Semaphore(Resource):
    """`sub_kind` says what is counted (`connection`, `kubernetes_connection`); the name whose."""

    KIND: ClassVar[str] = "semaphore"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    KEY_HAS_PREFIX: ClassVar[bool] = True
    SUB_KINDS: ClassVar[tuple[str, ...]] = (
        "",
        "connection",
        "kubernetes_connection",
        "host_user_modification",
        "access_monitoring",
    )

    spec: SemaphoreSpec = msgspec.field(default_factory=SemaphoreSpec)

    @property
    def key(self) -> str:
        return f"{self.sub_kind}/{self.metadata.name}" if self.sub_kind else self.metadata.name

    def check_spec(self) -> None:
        for lease in self.spec.leases:
            require(lease.lease_id, "spec.leases: lease_id is missing")
