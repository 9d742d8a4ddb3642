"""Event: the common envelope and field groups of all audit events, their flat JSON form.

`type` and `code` are constants of the class; success and failure are two classes with one `type`.
All field groups are flat: the attribute is the JSON key (`addr_local` is `addr.local`).
Encoding, decoding and the list of all: events.catalog. Cutting what is too large: events.trimming.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, TypeVar, cast

import msgspec

E = TypeVar("E", bound="Event")
SESSION_DATA_INDEX = 2147483646
SESSION_UPLOAD_INDEX = 2147483647


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`uid` is a UUID, `ei` the index inside a session. The emitter fills in `time`, `uid` and `cluster_name`."""

    type: ClassVar[str] = ""
    code: ClassVar[str] = ""

    uid: str = ""
    time: datetime | None = None
    ei: int = 0
    cluster_name: str = ""
    success: bool | None = None
    error: str = ""
    message: str = ""


class TrustedDevice(msgspec.Struct, kw_only=True, omit_defaults=True):
    device_id: str = ""
    os_type: str = ""
    asset_tag: str = ""
    credential_id: str = ""
    web_authentication: bool = False
    web_authentication_id: str = ""


class UserEvent(Event):
    """Somebody did something, from somewhere."""

    user: str = ""
    login: str = ""
    impersonator: str = ""
    access_requests: list[str] = []
    aws_role_arn: str = ""
    azure_identity: str = ""
    gcp_service_account: str = ""
    required_private_key_policy: str = ""
    trusted_device: TrustedDevice | None = None
    user_kind: int = 0
    bot_name: str = ""
    bot_instance_id: str = ""
    user_roles: list[str] = []
    user_traits: dict[str, list[str]] = {}
    user_cluster_name: str = ""
    addr_local: str = msgspec.field(name="addr.local", default="")
    addr_remote: str = msgspec.field(name="addr.remote", default="")
    proto: str = ""
    user_agent: str = ""


class ResourceEvent(UserEvent):
    """A resource was created, changed or deleted."""

    name: str = ""
    expires: datetime | None = None
    updated_by: str = ""
    ttl: str = ""


class SessionEvent(UserEvent):
    """Something in a session on a server or a Kubernetes cluster."""

    sid: str = ""
    with_mfa: str = ""
    private_key_policy: str = ""
    namespace: str = ""
    server_id: str = ""
    server_hostname: str = ""
    server_addr: str = ""
    server_labels: dict[str, str] = {}
    server_sub_kind: str = ""
    server_version: str = ""
    forwarded_by: str = ""
    kubernetes_cluster: str = ""
    kubernetes_users: list[str] = []
    kubernetes_groups: list[str] = []
    kubernetes_labels: dict[str, str] = {}
    kubernetes_pod_name: str = ""
    kubernetes_pod_namespace: str = ""
    kubernetes_container_name: str = ""
    kubernetes_container_image: str = ""
    kubernetes_node_name: str = ""


class UnknownEvent(Event):
    """An event this program does not know, or knows otherwise: kept as it came."""

    type: str = ""  # type: ignore[misc]  # it is a constant for all others
    code: str = ""  # type: ignore[misc]
    raw: dict[str, object] = {}


def variant(base: type[E], name: str, event: str, code: str) -> type[E]:
    """An event that differs from its base only in what it is called."""
    constants = {"type": event, "code": code}
    made = msgspec.defstruct(name, [], bases=(base,), namespace=constants, module=base.__module__, kw_only=True)
    return cast("type[E]", made)


def to_plain(event: Event) -> dict[str, object]:
    """The flat JSON object, the envelope first; times to the millisecond."""
    if isinstance(event, UnknownEvent):
        known = {"uid": event.uid, "cluster_name": event.cluster_name}
        return event.raw | {key: value for key, value in known.items() if value}
    found: dict[str, object] = msgspec.to_builtins(event)
    plain: dict[str, object] = {"event": event.type, "code": event.code, "uid": event.uid, "ei": event.ei}
    plain["time"] = milliseconds(event.time) if event.time else ""
    return plain | {key: value for key, value in found.items() if key not in plain}


def milliseconds(moment: datetime) -> str:
    """RFC 3339 in UTC with three decimals."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
