"""Headless authentication: a login on a machine without browser that waits for approval elsewhere."""

from __future__ import annotations

import hashlib
import uuid
from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, require


def headless_id(ssh_public_key: bytes) -> str:
    """The name of a request: a UUID made from the key it wants certified, in authorized_keys form."""
    return str(uuid.UUID(bytes=hashlib.sha256(ssh_public_key.strip()).digest()[:16], version=5))


class HeadlessAuthenticationSpec(Model):
    """`ssh_public_key` and `tls_public_key` will be certified on approval."""

    user: str = ""
    ssh_public_key: str = ""
    tls_public_key: str = ""
    client_ip_address: str = ""
    mfa_device: str = ""
    state: Literal["pending", "denied", "approved"] = "pending"


class HeadlessAuthentication(Resource):
    KIND: ClassVar[str] = "headless_authentication"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: HeadlessAuthenticationSpec = msgspec.field(default_factory=HeadlessAuthenticationSpec)

    def check_spec(self) -> None:
        require(self.metadata.expires, "metadata.expires is missing, a headless authentication always ends")
