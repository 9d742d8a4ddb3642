"""What proves a user: password hash and second factors; and the count of failed attempts. Never listed to anyone."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.sensitive import Secret
from teleport.model.values import Flag, Instant, utc


class TOTPDevice(Model):
    """`used_steps` are the time steps whose codes were already accepted: each is good once."""

    secret: Secret[str]
    algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1"
    digits: int = 6
    period: int = 30
    used_steps: list[int] = []


class WebAuthnDevice(Model):
    """`public_key` is COSE; a `sign_count` that goes back means a cloned key."""

    credential_id: bytes
    public_key: bytes
    sign_count: int = 0
    aaguid: str = ""
    attestation_type: str = ""
    attestation_object: bytes = b""
    transports: list[str] = []
    passwordless: Flag = False
    user_handle: bytes = b""
    rp_id: str = ""


class MFADevice(Model):
    """One second factor: exactly one of `totp` and `webauthn`."""

    id: str
    name: str
    added_at: Instant
    last_used: Instant | None = None
    totp: TOTPDevice | None = None
    webauthn: WebAuthnDevice | None = None

    @property
    def type(self) -> Literal["TOTP", "WebAuthn"]:
        """As `mfa_device_type` of events says it."""
        return "TOTP" if self.totp is not None else "WebAuthn"


class UserSecretsSpec(Model):
    password_hash: Secret[str] | None = None
    password_changed_at: Instant | None = None
    mfa_devices: list[MFADevice] = []
    webauthn_user_handle: bytes = b""
    recovery_codes: list[Secret[str]] = []
    recovery_codes_at: Instant | None = None


class UserSecrets(Resource):
    """Named like its user."""

    KIND: ClassVar[str] = "user_secrets"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: UserSecretsSpec = msgspec.field(default_factory=UserSecretsSpec)

    def device(self, name: str) -> MFADevice | None:
        return next((device for device in self.spec.mfa_devices if name in (device.name, device.id)), None)

    def check_spec(self) -> None:
        self.spec.recovery_codes_at = utc(self.spec.recovery_codes_at, "spec.recovery_codes_at")
        seen: set[str] = set()
        for device in self.spec.mfa_devices:
            where = f"spec.mfa_devices {device.name!r}"
            require(device.id and device.name, f"{where}: id and name are needed")
            require((device.totp is None) != (device.webauthn is None), f"{where}: exactly one of totp and webauthn")
            require(device.name not in seen, f"{where}: the name is used twice")
            seen.add(device.name)
            device.last_used = utc(device.last_used, f"{where}.last_used")


class LoginAttemptsSpec(Model):
    """`failed` are the times of failures that still count, oldest first."""

    failed: list[Instant] = []
    locked_until: Instant | None = None


class LoginAttempts(Resource):
    """Named like its user."""

    KIND: ClassVar[str] = "login_attempts"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: LoginAttemptsSpec = msgspec.field(default_factory=LoginAttemptsSpec)

    def check_spec(self) -> None:
        self.spec.locked_until = utc(self.spec.locked_until, "spec.locked_until")
