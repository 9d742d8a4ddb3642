"""What the configuration file says of the cluster, as the resources it stands for; asserted at every start."""

from __future__ import annotations

import re
from collections.abc import Mapping

from teleport.auth.setting_rules import check_setting
from teleport.foundation.errors import TeleportError
from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.process.config.document import Document, Position
from teleport.process.config.settings import AuthSettings

_ORIGIN = {"teleport.dev/origin": "config-file"}


_TRUE = ("1", "true", "yes", "on")
_KEYS = {
    "allow_local_auth": "local_auth", "allow_passwordless": "passwordless", "allow_headless": "headless",
    "mode": "session_recording", "idle_timeout_message": "client_idle_timeout_message",
}  # fmt: skip
_FIELD = re.compile(r"(?:[a-z_]+ '[a-z-]+': )?spec\.([a-z_]+)[: ]*(.*)")


def check_singletons(settings: AuthSettings, document: Document, *, allow_no_second_factor: bool) -> None:
    """Raises BadParameter, naming key and line, for what the cluster would refuse when it starts."""
    try:
        for resource in configured(settings):
            check_setting(resource, allow_no_second_factor=allow_no_second_factor)
    except TeleportError as problem:
        found = _FIELD.fullmatch(problem.message)
        if found is None:
            raise document.error(("auth_service",), problem.message) from None
        raise document.error(_position(_KEYS.get(found[1], found[1]), document), found[2]) from None


def _position(key: str, document: Document) -> Position:
    section = document.data.get("auth_service") or {}
    return ("auth_service", key) if key in section else ("auth_service", "authentication", key)


def allows_no_second_factor(environment: Mapping[str, str]) -> bool:
    """Whether whoever starts the auth service lifts the rule that local users have a second factor."""
    return environment.get("TELEPORT_ALLOW_NO_SECOND_FACTOR", "").lower() in _TRUE


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
    return decode_document(document)


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
