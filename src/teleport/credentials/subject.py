"""An Identity as the subject of an X.509 certificate and back. Source: reference of identity encoding, object ids
1.3.9999.*; one attribute a value. What is said twice, or cannot be read exactly, is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from teleport.credentials import resource_ids
from teleport.foundation.errors import BadParameter
from teleport.model.identity import Identity, SystemRole

_ARC = "1.3.9999."
_CLUSTER = x509.ObjectIdentifier(_ARC + "1.7")
_GENERATION = x509.ObjectIdentifier(_ARC + "1.14")
_ALLOWED_RESOURCES = x509.ObjectIdentifier(_ARC + "2.10")
_PREVIOUS_EXPIRES = x509.ObjectIdentifier(_ARC + "2.12")
# ours: a common name holds 64 bytes, a name given by an identity provider may be longer
_LONG_USERNAME = x509.ObjectIdentifier(_ARC + "9.1")
_COMMON_NAME_BYTES = 64
MAX_GENERATION = 10**18 - 1

_TEXTS = {
    "route_to_cluster": NameOID.STREET_ADDRESS,
    "kubernetes_cluster": x509.ObjectIdentifier(_ARC + "1.3"),
    "application_session_id": x509.ObjectIdentifier(_ARC + "1.4"),
    "application_public_addr": x509.ObjectIdentifier(_ARC + "1.5"),
    "mfa_verified": x509.ObjectIdentifier(_ARC + "1.8"),
    "login_ip": x509.ObjectIdentifier(_ARC + "1.9"),
    "application_name": x509.ObjectIdentifier(_ARC + "1.10"),
    "private_key_policy": x509.ObjectIdentifier(_ARC + "1.15"),
    "user_type": x509.ObjectIdentifier(_ARC + "1.20"),
    "database_service": x509.ObjectIdentifier(_ARC + "2.1"),
    "database_protocol": x509.ObjectIdentifier(_ARC + "2.2"),
    "database_user": x509.ObjectIdentifier(_ARC + "2.3"),
    "database_name": x509.ObjectIdentifier(_ARC + "2.4"),
    "impersonator": x509.ObjectIdentifier(_ARC + "2.7"),
    "pinned_ip": x509.ObjectIdentifier(_ARC + "2.15"),
    "bot_name": x509.ObjectIdentifier(_ARC + "2.18"),
    "bot_instance_id": x509.ObjectIdentifier(_ARC + "2.20"),
    "device_id": x509.ObjectIdentifier(_ARC + "3.1"),
    "device_asset_tag": x509.ObjectIdentifier(_ARC + "3.2"),
    "device_credential_id": x509.ObjectIdentifier(_ARC + "3.3"),
}
_LISTS = {
    "usage": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "logins": NameOID.LOCALITY_NAME,
    "kubernetes_users": x509.ObjectIdentifier(_ARC + "1.1"),
    "kubernetes_groups": x509.ObjectIdentifier(_ARC + "1.2"),
    "active_requests": x509.ObjectIdentifier(_ARC + "2.8"),
    "system_roles": x509.ObjectIdentifier(_ARC + "2.11"),
}
_FLAGS = {
    "renewable": x509.ObjectIdentifier(_ARC + "1.13"),
    "disallow_reissue": x509.ObjectIdentifier(_ARC + "2.9"),
}
_ROLES = NameOID.ORGANIZATION_NAME
_TRAITS = NameOID.POSTAL_CODE
_SYSTEM_ROLES = frozenset(get_args(SystemRole)) - {""}


def check(identity: Identity) -> None:
    """What every certificate demands, whatever its form. Raises BadParameter."""
    if not identity.username or not identity.cluster:
        raise BadParameter("an identity needs a user name and a cluster")
    if identity.is_host:
        if identity.username != f"{identity.host_id}.{identity.cluster}" or not identity.host_id:
            raise BadParameter(f"host {identity.username!r}: its name must be <host id>.{identity.cluster}")
        if unknown := {identity.system_role, *identity.system_roles} - _SYSTEM_ROLES:
            raise BadParameter(f"host {identity.username!r}: no such system role: {', '.join(sorted(unknown))}")
        if identity.roles:
            raise BadParameter(f"host {identity.username!r}: a host has a system role and no others")
    elif not identity.roles:
        raise BadParameter(f"user {identity.username!r} has no roles")
    elif identity.system_roles or identity.host_id:
        raise BadParameter(f"user {identity.username!r}: a person has neither system roles nor a host id")
    if not 0 <= identity.generation <= MAX_GENERATION:
        raise BadParameter(f"identity {identity.username!r}: generation {identity.generation} is out of range")
    if not all(text and text.isprintable() for text in _texts_of(identity)):
        raise BadParameter(f"identity {identity.username!r}: empty or unprintable text in a name, role, login or id")


def common_name(text: str) -> str:
    """As much of a name as a common name holds."""
    return text.encode()[:_COMMON_NAME_BYTES].decode(errors="ignore")


def encode(identity: Identity) -> x509.Name:
    """Raises BadParameter for an identity that no certificate may carry."""
    check(identity)
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in _attributes(identity)])


def decode(subject: x509.Name, expires: datetime, *, is_host: bool) -> Identity:
    """The inverse of `encode`. Who signed it tells whether it speaks for a host. Raises BadParameter."""
    values: dict[x509.ObjectIdentifier, list[str]] = {}
    for attribute in subject:
        if not isinstance(attribute.value, str):
            raise BadParameter("certificate subject: an attribute is not text")
        values.setdefault(attribute.oid, []).append(attribute.value)
    roles = tuple(values.get(_ROLES, ()))
    fields: dict[str, Any] = {
        "username": _username(values),
        "cluster": _single(values, _CLUSTER),
        "expires": expires,
        "generation": generation(_single(values, _GENERATION)),
        "traits": _json(_single(values, _TRAITS), dict[str, tuple[str, ...]]) or {},
        "allowed_resources": resource_ids.decode(_single(values, _ALLOWED_RESOURCES)),
        "previous_expires": _moment(_single(values, _PREVIOUS_EXPIRES)),
    }
    fields |= {name: tuple(values.get(oid, ())) for name, oid in _LISTS.items()}
    fields |= {name: _single(values, oid) == "true" for name, oid in _FLAGS.items()}
    fields |= {name: text for name, oid in _TEXTS.items() if (text := _single(values, oid))}
    fields |= _host_fields(fields, roles) if is_host else {"roles": roles}
    try:
        identity = msgspec.convert(fields, Identity)
    except msgspec.ValidationError as problem:
        raise BadParameter(f"certificate subject: {problem}") from problem
    check(identity)
    return identity


def _attributes(identity: Identity) -> Iterator[tuple[x509.ObjectIdentifier, str]]:
    yield NameOID.COMMON_NAME, common_name(identity.username)
    if common_name(identity.username) != identity.username:
        yield _LONG_USERNAME, identity.username
    for role in (identity.system_role,) if identity.is_host else identity.roles:
        yield _ROLES, role
    yield _CLUSTER, identity.cluster
    for name, oid in _LISTS.items():
        for value in getattr(identity, name):
            yield oid, value
    if identity.traits:
        yield _TRAITS, msgspec.json.encode(identity.traits).decode()
    for name, oid in _TEXTS.items():
        # the default is not spelled out: certificates of people stay short
        if (text := getattr(identity, name)) and not (name == "user_type" and text == "local"):
            yield oid, text
    for name, oid in _FLAGS.items():
        if getattr(identity, name):
            yield oid, "true"
    if identity.generation:
        yield _GENERATION, str(identity.generation)
    if identity.allowed_resources:
        yield _ALLOWED_RESOURCES, resource_ids.encode(identity.allowed_resources)
    if identity.previous_expires is not None:
        yield _PREVIOUS_EXPIRES, moment_text(identity.previous_expires)


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: what certificates can say."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The inverse of `moment_text`. Raises BadParameter."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as problem:
        raise BadParameter(f"certificate: {text!r} is no time like 2030-01-31T12:00:00Z") from problem


def generation(text: str) -> int:
    """How often a renewable identity was renewed. Raises BadParameter; the empty text is 0."""
    if text and not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_GENERATION))):
        raise BadParameter(f"certificate: {text[:32]!r} is no generation")
    return int(text or 0)


def _texts_of(identity: Identity) -> Iterator[str]:
    yield identity.username
    yield identity.cluster
    for name in ("roles", *_LISTS):
        yield from getattr(identity, name)
    for name in _TEXTS:
        if text := getattr(identity, name):
            yield text


def _username(values: dict[x509.ObjectIdentifier, list[str]]) -> str:
    short, long = _single(values, NameOID.COMMON_NAME), _single(values, _LONG_USERNAME)
    if long and common_name(long) != short:
        raise BadParameter("certificate subject: the long user name does not continue the common name")
    return long or short


def _host_fields(fields: dict[str, Any], roles: tuple[str, ...]) -> dict[str, Any]:
    if len(roles) != 1:
        raise BadParameter(f"host certificate: expected one system role, found {len(roles)}")
    return {"system_role": roles[0], "host_id": fields["username"].removesuffix(f".{fields['cluster']}")}


def _single(values: dict[x509.ObjectIdentifier, list[str]], oid: x509.ObjectIdentifier) -> str:
    found = values.get(oid, [])
    if len(found) > 1:
        raise BadParameter(f"certificate subject: attribute {oid.dotted_string} is given {len(found)} times")
    return found[0] if found else ""


def _moment(text: str) -> datetime | None:
    return moment(text) if text else None


def _json(text: str, form: type[dict[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    try:
        return msgspec.json.decode(text, type=form) if text else {}
    except msgspec.DecodeError as problem:
        raise BadParameter(f"certificate subject: traits: {problem}") from problem
