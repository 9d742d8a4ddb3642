"""Preset roles: made when they are missing; what people changed in them stays. A newer release adds rules only for
kinds of resources that the role, as it is, does not mention at all.
"""

from __future__ import annotations

from teleport.auth.cluster import Cluster
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import AlreadyExists, NotFound, RevisionConflict
from teleport.foundation.logs import get_logger
from teleport.model.labels import PRESET, RESOURCE_TYPE
from teleport.model.resources.presets import missing_rules, presets
from teleport.model.resources.role import Role

log = get_logger("auth.presets")


async def keep_presets(cluster: Cluster) -> None:
    """At each start."""
    for preset in presets(new_uuid()):
        present = await cluster.store.find(Role, preset.name)
        try:
            if present is None:
                await cluster.store.create(preset)
            elif present.metadata.labels.get(RESOURCE_TYPE) == PRESET and (added := missing_rules(present, preset)):
                present.spec.allow.rules.extend(added)
                await cluster.store.update(present)
                log.info("preset role has new rules", role=preset.name)
        except (AlreadyExists, RevisionConflict, NotFound):
            continue  # another auth server starts beside us
