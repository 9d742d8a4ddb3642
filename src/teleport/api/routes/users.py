"""People: invitation, reset, the sign-up a link leads to, the change of one's own password.

Reading, updating and deleting users are the generic calls of `resources`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Audience, Empty, Route
from teleport.api.routes.login import WebSessionGrant


class InviteUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a local user and a one-time sign-up link, valid for `ttl` (default 1h, at most 48h)."""

    name: str
    roles: tuple[str, ...]
    traits: dict[str, tuple[str, ...]] = {}
    ttl: timedelta | None = None


class ResetUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take away the password and second factors and make a new sign-up link (default 8h, at most 24h)."""

    name: str
    ttl: timedelta | None = None


class UserTokenGranted(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is the secret of the link; `url` is empty when no proxy address is known yet."""

    user: str
    token: str
    url: str
    expires: datetime


class UserToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class UserTokenShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the sign-up page shows. Registering a device is the next call."""

    token_id: str = msgspec.field(name="tokenId")
    user: str
    kind: str
    expiry: datetime
    second_factors: tuple[str, ...] = msgspec.field(name="secondFactors", default=())


class RegisterChallengeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`device_type` is totp or webauthn; `device_usage` is mfa or passwordless."""

    token: str
    device_type: str = msgspec.field(name="deviceType", default="totp")
    device_usage: str = msgspec.field(name="deviceUsage", default="mfa")


class TotpRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """`qr_code` is an SVG document of `otp_url`."""

    qr_code: str = msgspec.field(name="qrCode", default="")
    secret: str = ""
    otp_url: str = msgspec.field(name="otpUrl", default="")


class RegisterChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of the two is set."""

    totp: TotpRegistration | None = None
    webauthn: Json | None = None


class SetPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer a sign-up link: a password and one device, or a passkey alone (then `password` is empty)."""

    token: str
    password: str = ""
    second_factor_token: str = ""
    webauthn_creation_response: Json | None = msgspec.field(name="webauthnCreationResponse", default=None)
    device_name: str = msgspec.field(name="deviceName", default="")


class PasswordSet(msgspec.Struct, frozen=True):
    username: str


class ChangePassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change one's own password: the old one and a second factor are asked again."""

    old_password: bytes
    new_password: bytes
    second_factor_token: str = ""
    webauthn_assertion_response: Json | None = msgspec.field(name="webauthnAssertionResponse", default=None)


INVITE = Route("POST", "/v1/users", InviteUser, UserTokenGranted, summary="Invite a user")
RESET = Route("POST", "/v1/users/{name}/reset", ResetUser, UserTokenGranted, summary="Reset a user's credentials")
CHANGE_PASSWORD = Route("PUT", "/v1/users/password", ChangePassword, Empty, summary="Change one's own password")
SHOW_TOKEN = Route(
    "GET",
    "/webapi/users/password/token/{token}",
    UserToken,
    UserTokenShown,
    Audience.PUBLIC,
    summary="What a sign-up link is for",
    heavy=True,
)
REGISTER_CHALLENGE = Route(
    "POST",
    "/webapi/mfa/token/{token}/registerchallenge",
    RegisterChallengeRequest,
    RegisterChallenge,
    Audience.PUBLIC,
    summary="Begin to register the first device of a sign-up",
    heavy=True,
)
SET_PASSWORD = Route(
    "PUT",
    "/webapi/users/password/token",
    SetPassword,
    PasswordSet,
    Audience.PUBLIC,
    summary="Finish a sign-up",
    heavy=True,
)
SIGN_UP_SESSION = Route(
    "PUT",
    "/v1/websessions/signup",
    SetPassword,
    WebSessionGrant,
    Audience.PROXY,
    summary="Finish a sign-up in a browser and log it in",
    heavy=True,
)
ROUTES = (INVITE, RESET, CHANGE_PASSWORD, SHOW_TOKEN, REGISTER_CHALLENGE, SET_PASSWORD, SIGN_UP_SESSION)
