"""What every part of the auth service works with: store, log, keys, clock, and the cluster's settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from teleport.auth.authorities import Authorities
from teleport.auth.journal import Journal
from teleport.auth.settings import Settings
from teleport.foundation.clock import Clock
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig
from teleport.policy.role_set import RoleSetMemory
from teleport.storage.audit_log import AuditLog
from teleport.storage.feed import Feed
from teleport.storage.recordings import RecordingStore
from teleport.storage.store import Store


@dataclass(frozen=True)
class Cluster:
    """Given to each part at construction. It has no behaviour beyond looking things up."""

    settings: Settings
    store: Store
    feed: Feed
    audit_log: AuditLog
    recordings: RecordingStore
    clock: Clock
    authorities: Authorities
    journal: Journal
    role_sets: RoleSetMemory = field(default_factory=RoleSetMemory)

    @property
    def name(self) -> str:
        return self.settings.cluster_name

    async def preference(self) -> ClusterAuthPreference:
        return await self.store.get_singleton(ClusterAuthPreference)

    async def networking(self) -> ClusterNetworkingConfig:
        return await self.store.get_singleton(ClusterNetworkingConfig)
