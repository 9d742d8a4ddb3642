"""How the cluster wants connections to be found and made, as the proxy's copy has it at this moment."""

from __future__ import annotations

from teleport.foundation.errors import NotFound
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig, ClusterNetworkingConfigSpec
from teleport.storage.replica import Replica


def networking_spec(replica: Replica) -> ClusterNetworkingConfigSpec:
    """What it is by default where the cluster has not said."""
    try:
        return replica.get_singleton(ClusterNetworkingConfig).spec
    except NotFound:
        return ClusterNetworkingConfigSpec()


def dial_timeout(replica: Replica) -> float:
    """Seconds that a server where the proxy goes itself is given to take the connection."""
    return networking_spec(replica).ssh_dial_timeout.delta.total_seconds()
