"""What a setting of the cluster may not be, whether a person or the configuration file wishes it."""

from __future__ import annotations

from teleport.foundation.errors import BadParameter, Unsupported
from teleport.model.resource import Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig
from teleport.model.resources.session_recording_config import SessionRecordingConfig


def check_setting(new: Resource, *, allow_no_second_factor: bool) -> None:
    """Raises BadParameter and Unsupported: what is known and not built is never taken as if it were."""
    match new:
        case ClusterAuthPreference():
            if not new.spec.second_factor_is_mandatory and not allow_no_second_factor:
                raise BadParameter(
                    f"spec.second_factor {new.spec.second_factor!r}: local users must have a second factor; "
                    "use on, otp or webauthn"
                )
            if new.spec.type not in ("local", "oidc"):
                raise Unsupported(f"spec.type {new.spec.type!r} is not offered here yet; use local or oidc")
        case SessionRecordingConfig():
            if new.spec.encryption is not None and new.spec.encryption.enabled:
                raise Unsupported("spec.encryption is not offered here yet")
        case ClusterNetworkingConfig():
            if new.spec.tunnel_strategy is not None and new.spec.tunnel_strategy.proxy_peering is not None:
                raise Unsupported("spec.tunnel_strategy proxy_peering is not offered here yet; use agent_mesh")
