"""User: a person (or a bot's account), its roles and traits. Passwords and devices are `user_secrets`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Flag, Instant, StringList, Traits, utc


class ConnectorRef(Model):
    id: str = ""
    type: str = ""
    identity: str = ""


class UserRef(Model):
    name: str = ""


class CreatedBy(Model):
    connector: ConnectorRef | None = None
    time: Instant | None = None
    user: UserRef | None = None


class ExternalIdentity(Model):
    connector_id: str
    username: str = ""
    user_id: str = ""


class LoginStatus(Model):
    """Whether the user may log in; `lock_expires` ends the lock by itself."""

    is_locked: Flag = False
    locked_message: str = ""
    locked_time: Instant | None = None
    lock_expires: Instant | None = None


class UserSpec(Model):
    roles: StringList = []
    traits: Traits = {}
    oidc_identities: list[ExternalIdentity] = []
    saml_identities: list[ExternalIdentity] = []
    github_identities: list[ExternalIdentity] = []
    status: LoginStatus | None = None
    expires: Instant | None = None
    created_by: CreatedBy | None = None
    trusted_device_ids: StringList = []


class User(Resource):
    KIND: ClassVar[str] = "user"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: UserSpec = msgspec.field(default_factory=UserSpec)

    @property
    def is_sso(self) -> bool:
        created = self.spec.created_by
        return created is not None and created.connector is not None and bool(created.connector.id)

    @property
    def is_bot(self) -> bool:
        return "teleport.internal/bot" in self.metadata.labels

    def check_spec(self) -> None:
        for role in self.spec.roles:
            require(role, "spec.roles has an empty name")
        for name in self.spec.traits:
            require(name, "spec.traits has an empty name")
        self.spec.expires = utc(self.spec.expires, "spec.expires")
        if self.spec.created_by is not None:
            self.spec.created_by.time = utc(self.spec.created_by.time, "spec.created_by.time")
        if self.spec.status is not None:
            self.spec.status.locked_time = utc(self.spec.status.locked_time, "spec.status.locked_time")
            self.spec.status.lock_expires = utc(self.spec.status.lock_expires, "spec.status.lock_expires")
