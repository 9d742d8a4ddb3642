"""An Identity as the extensions of an SSH certificate and back. Source: reference of SSH certificates.

SSH certificates carry no Kubernetes, database or application routing: those protocols use X.509.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from teleport.credentials import resource_ids, subject
from teleport.foundation.errors import BadParameter
from teleport.model.identity import Identity

# asked for in so many words elsewhere: whoever may join a session logs in as this
JOIN_PRINCIPAL = "-teleport-internal-join"

_TEXTS = {
    "cluster": "teleport-cluster",
    "route_to_cluster": "teleport-route-to-cluster",
    "mfa_verified": "mfa-verified",
    "login_ip": "login-ip",
    "impersonator": "impersonator",
    "private_key_policy": "private-key-policy",
    "device_id": "teleport-device-id",
    "device_asset_tag": "teleport-device-asset-tag",
    "device_credential_id": "teleport-device-credential-id",
    "bot_name": "bot-name@goteleport.com",
    "bot_instance_id": "bot-instance-id@goteleport.com",
    "user_type": "teleport-user-type",
}
_LISTS = {
    "roles": "teleport-roles",
    "active_requests": "teleport-active-requests",
    "usage": "teleport-usage",
}
_FLAGS = {"disallow_reissue": "disallow-reissue", "renewable": "renewable"}
_TRAITS = "teleport-traits"
_ALLOWED_RESOURCES = "teleport-allowed-resources"
_PREVIOUS_EXPIRES = "prev-identity-expires"
_GENERATION = "generation"
_HOST_ROLE, _HOST_CLUSTER, _HOST_SYSTEM_ROLES = "x-teleport-role", "x-teleport-authority", "x-teleport-system-roles"
_PERMIT_PREFIX = "permit-"
RESERVED = frozenset(
    {*_TEXTS.values(), *_LISTS.values(), *_FLAGS.values()}
    | {_TRAITS, _ALLOWED_RESOURCES, _PREVIOUS_EXPIRES, _GENERATION, _HOST_ROLE, _HOST_CLUSTER, _HOST_SYSTEM_ROLES}
)


class Permits(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder may ask of an SSH server, as stock servers read it; our agents ask the roles instead."""

    pty: bool = True
    port_forwarding: bool = False
    agent_forwarding: bool = False
    x11_forwarding: bool = False


_PERMITS = {
    "pty": "permit-pty",
    "port_forwarding": "permit-port-forwarding",
    "agent_forwarding": "permit-agent-forwarding",
    "x11_forwarding": "permit-X11-forwarding",
}


def encode_permits(permits: Permits) -> dict[str, str]:
    return {extension: "" for name, extension in _PERMITS.items() if getattr(permits, name)}


def decode_permits(extensions: dict[str, str]) -> Permits:
    return Permits(**{name: extension in extensions for name, extension in _PERMITS.items()})


def encode_user(identity: Identity) -> dict[str, str]:
    """Raises BadParameter for an identity that no certificate may carry."""
    subject.check(identity)
    found = {extension: getattr(identity, name) for name, extension in _TEXTS.items() if getattr(identity, name)}
    found |= {
        extension: msgspec.json.encode(getattr(identity, name)).decode()
        for name, extension in _LISTS.items()
        if getattr(identity, name)
    }
    found |= {extension: "" for name, extension in _FLAGS.items() if getattr(identity, name)}
    if identity.traits:
        found[_TRAITS] = msgspec.json.encode(identity.traits).decode()
    if identity.allowed_resources:
        found[_ALLOWED_RESOURCES] = resource_ids.encode(identity.allowed_resources)
    if identity.previous_expires is not None:
        found[_PREVIOUS_EXPIRES] = subject.moment_text(identity.previous_expires)
    if identity.generation:
        found[_GENERATION] = str(identity.generation)
    return found


def decode_user(
    extensions: dict[str, str], *, username: str, logins: tuple[str, ...], pinned_ip: str, expires: datetime
) -> Identity:
    """The inverse of `encode_user`. Raises BadParameter."""
    previous = extensions.get(_PREVIOUS_EXPIRES)
    fields: dict[str, Any] = {
        "username": username,
        "logins": logins,
        "pinned_ip": pinned_ip,
        "expires": expires,
        "cluster": "",
        "traits": _json(extensions.get(_TRAITS, "{}"), dict[str, tuple[str, ...]]),
        "allowed_resources": resource_ids.decode(extensions.get(_ALLOWED_RESOURCES, "")),
        "previous_expires": subject.moment(previous) if previous else None,
        "generation": subject.generation(extensions.get(_GENERATION, "")),
    }
    fields |= {name: extensions[extension] for name, extension in _TEXTS.items() if extension in extensions}
    fields |= {
        name: _json(extensions[extension], tuple[str, ...])
        for name, extension in _LISTS.items()
        if extension in extensions
    }
    fields |= {name: extension in extensions for name, extension in _FLAGS.items()}
    return _checked(fields)


def encode_host(identity: Identity) -> dict[str, str]:
    """Raises BadParameter for an identity that no certificate may carry."""
    subject.check(identity)
    found = {_HOST_ROLE: str(identity.system_role), _HOST_CLUSTER: identity.cluster}
    if identity.system_roles:
        found[_HOST_SYSTEM_ROLES] = msgspec.json.encode(identity.system_roles).decode()
    return found


def decode_host(extensions: dict[str, str], *, username: str, expires: datetime) -> Identity:
    """The inverse of `encode_host`. Raises BadParameter."""
    cluster = extensions.get(_HOST_CLUSTER, "")
    fields: dict[str, Any] = {
        "username": username,
        "cluster": cluster,
        "expires": expires,
        "system_role": extensions.get(_HOST_ROLE, ""),
        "system_roles": _json(extensions.get(_HOST_SYSTEM_ROLES, "[]"), tuple[str, ...]),
        "host_id": username.removesuffix(f".{cluster}"),
    }
    identity = _checked(fields)
    if not identity.is_host:
        raise BadParameter("host certificate without a system role")
    return identity


def _checked(fields: dict[str, Any]) -> Identity:
    try:
        identity = msgspec.convert(fields, Identity)
    except msgspec.ValidationError as problem:
        raise BadParameter(f"certificate: {problem}") from problem
    subject.check(identity)
    return identity


def _json(text: str, form: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=form)
    except msgspec.DecodeError as problem:
        raise BadParameter(f"certificate: {problem}") from problem


def check_extra(extensions: dict[str, str]) -> None:
    """Extensions that roles add may not say what only we say. Raises BadParameter."""
    for name, value in extensions.items():
        if name in RESERVED or name.startswith(_PERMIT_PREFIX):
            raise BadParameter(f"certificate extension {name!r} is reserved")
        if not name or not name.isprintable() or not value.isprintable():
            raise BadParameter(f"certificate extension {name!r}: empty or unprintable text")
