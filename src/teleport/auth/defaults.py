"""The singletons a cluster begins with, and goes back to when they are reset."""

from __future__ import annotations

from teleport.auth.settings import Settings
from teleport.model.labels import ORIGIN
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference, ClusterAuthPreferenceSpec
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig, ClusterNetworkingConfigSpec
from teleport.model.resources.cluster_settings import ClusterAuditConfig, ClusterName, ClusterNameSpec
from teleport.model.resources.session_recording_config import SessionRecordingConfig


def default_singleton(settings: Settings, kind: type[Resource]) -> Resource | None:
    """What the configuration file says, else what is built in; None for a kind that may be absent."""
    for resource in settings.configured:
        if isinstance(resource, kind):
            return _with_origin(resource, "config-file")
    built_in = _built_in(settings).get(kind)
    return _with_origin(built_in, "defaults") if built_in is not None else None


def kinds_always_there() -> tuple[type[Resource], ...]:
    return (
        ClusterName,
        ClusterAuthPreference,
        ClusterNetworkingConfig,
        SessionRecordingConfig,
        ClusterAuditConfig,
    )


def _built_in(settings: Settings) -> dict[type[Resource], Resource]:
    return {
        ClusterName: ClusterName(
            spec=ClusterNameSpec(cluster_name=settings.cluster_name, cluster_id=settings.host_id)
        ),
        ClusterAuthPreference: ClusterAuthPreference(spec=ClusterAuthPreferenceSpec(second_factor="on")),
        ClusterNetworkingConfig: ClusterNetworkingConfig(
            spec=ClusterNetworkingConfigSpec(proxy_listener_mode="multiplex")
        ),
        SessionRecordingConfig: SessionRecordingConfig(),
        ClusterAuditConfig: ClusterAuditConfig(),
    }


def _with_origin(resource: Resource, origin: str) -> Resource:
    resource.metadata = Metadata(
        name=resource.metadata.name,
        description=resource.metadata.description,
        labels={**resource.metadata.labels, ORIGIN: origin},
    )
    resource.check()
    return resource
