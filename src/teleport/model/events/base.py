"""Event: the common envelope and field groups of all audit events, their flat JSON form, trimming.

`type` and `code` are constants of the class; success and failure are two classes with one `type`.
All field groups are flat: the attribute is the JSON key (`addr_local` is `addr.local`).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec


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
