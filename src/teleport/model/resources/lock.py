"""Lock: stops everything that a target (user, role, node, device ...) does, at once."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Instant, utc


class LockTarget(Model):
    """Several fields together mean AND."""

    user: str = ""
    role: str = ""
    login: str = ""
    node: str = ""
    server_id: str = ""
    mfa_device: str = ""
    windows_desktop: str = ""
    access_request: str = ""
    device: str = ""
    bot_instance_id: str = ""
    join_token: str = ""
    session_id: str = ""
    """One running session: it ends, and its owner may open another."""

    def fields(self) -> dict[str, str]:
        """Those that are set; the old `node` is `server_id`."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name)}
        if "node" in found:
            found.setdefault("server_id", found.pop("node"))
            found.pop("node", None)
        return found


class LockSpec(Model):
    target: LockTarget = msgspec.field(default_factory=LockTarget)
    message: str = ""
    expires: Instant | None = None
    created_at: Instant | None = None
    created_by: str = ""


class Lock(Resource):
    KIND: ClassVar[str] = "lock"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: LockSpec = msgspec.field(default_factory=LockSpec)

    def is_in_force(self, now: datetime) -> bool:
        return self.spec.expires is None or self.spec.expires > now

    def check_spec(self) -> None:
        require(self.spec.target.fields(), "spec.target is empty, at least one of its fields must be set")
        self.spec.expires = utc(self.spec.expires, "spec.expires")
        self.spec.created_at = utc(self.spec.created_at, "spec.created_at")
