"""What the configuration file says of the cluster, as the resources it stands for; asserted at every start."""

from __future__ import annotations

from collections.abc import Mapping

from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.process.config.settings import AuthSettings

_ORIGIN = {"teleport.dev/origin": "config-file"}


def configured(settings: AuthSettings) -> tuple[Resource, ...]:
    """Only what the file mentions. Raises BadParameter for values that the resource refuses."""
    singletons = settings.singletons
    found = [
        _singleton("cluster_auth_preference", singletons.preference),
        _singleton("cluster_networking_config", singletons.networking),
        _singleton("session_recording_config", singletons.recording),
        _static_tokens(settings),
    ]
    return tuple(resource for resource in found if resource is not None)


def _singleton(kind: str, spec: Mapping[str, object] | None) -> Resource | None:
    if spec is None:
        return None
    document = {
        "kind": kind,
        "version": "v2",
        "metadata": {"name": kind.replace("_", "-"), "labels": _ORIGIN},
        "spec": dict(spec),
    }
    try:
        return decode_document(document)
    except BadParameter as problem:
        raise BadParameter(f"auth_service: {problem.message}") from None


def _static_tokens(settings: AuthSettings) -> Resource | None:
    if not settings.static_tokens:
        return None
    tokens = [{"roles": list(roles), "token": token} for roles, token in settings.static_tokens]
    return decode_document(
        {
            "kind": "static_tokens",
            "version": "v2",
            "metadata": {"name": "static-tokens", "labels": _ORIGIN},
            "spec": {"static_tokens": tokens},
        }
    )
