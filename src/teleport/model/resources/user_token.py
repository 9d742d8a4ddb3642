"""User token: the secret in an invitation, reset or recovery link, or a short privilege; its name is the secret."""

from __future__ import annotations

from typing import ClassVar, Literal

from teleport.model.resource import Model, Resource, require
from teleport.model.sensitive import Secret
from teleport.model.values import Instant

UserTokenPurpose = Literal["invite", "reset", "recovery", "recovery_approved", "privilege"]

Recovers = Literal["", "password", "mfa"]


class UserTokenSpec(Model):
    """`totp_secret` and the challenge belong to a second factor that is being registered.

    `recovers` is what a recovery will replace.
    """

    purpose: UserTokenPurpose
    user: str
    created: Instant
    totp_secret: Secret[str] | None = None
    registration_challenge: bytes = b""
    registration_state: str = ""
    device_name: str = ""
    used: bool = False
    recovers: Recovers = ""


class UserToken(Resource):
    KIND: ClassVar[str] = "user_token"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    NAME_IS_SECRET: ClassVar[bool] = True

    spec: UserTokenSpec

    def check_spec(self) -> None:
        require(self.spec.user, "spec.user is missing")
        require(self.metadata.expires, "metadata.expires is missing, a user token always ends")
