"""Events of certificates: issued, or shown twice."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from teleport.model.events.base import UserEvent


class CertificateIdentity(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the certificate says."""

    user: str = ""
    impersonator: str = ""
    roles: list[str] = []
    usage: list[str] = []
    logins: list[str] = []
    traits: dict[str, list[str]] = {}
    expires: datetime | None = None
    route_to_cluster: str = ""
    route_to_app: dict[str, str] = {}
    route_to_database: dict[str, str] = {}
    kubernetes_cluster: str = ""
    kubernetes_users: list[str] = []
    kubernetes_groups: list[str] = []
    database_names: list[str] = []
    database_users: list[str] = []
    mfa_device_uuid: str = ""
    client_ip: str = ""
    access_requests: list[str] = []
    allowed_resource_ids: list[str] = []
    previous_identity_expires: datetime | None = None
    private_key_policy: str = ""
    disallow_reissue: bool = False
    renewable: bool = False
    device_id: str = ""
    device_asset_tag: str = ""
    device_credential_id: str = ""
    bot_name: str = ""
    bot_instance_id: str = ""
    pinned_ip: str = ""


class CertificateCreated(UserEvent):
    """`cert_type` is user or host."""

    type: ClassVar[str] = "cert.create"
    code: ClassVar[str] = "TC000I"

    cert_type: str = ""
    identity: CertificateIdentity | None = None


class GenerationMismatch(UserEvent):
    """A renewable certificate was replayed: its bot is locked."""

    type: ClassVar[str] = "cert.generation_mismatch"
    code: ClassVar[str] = "TCB00W"

    certificate_generation: int = 0
    stored_generation: int = 0
