"""Second factors of the caller: devices and the challenges that prove them again."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Empty, Route
from teleport.api.routes.users import RegisterChallenge


class MfaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """`type` is totp or webauthn; `passwordless` devices may log in alone."""

    id: str
    name: str
    type: str
    passwordless: bool = False
    added_at: datetime | None = None
    last_used: datetime | None = None


class MfaDevices(msgspec.Struct, frozen=True):
    devices: tuple[MfaDevice, ...] = ()


class ChallengeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`scope`: login, session, manage_devices, account_recovery, admin_action, change_password, headless."""

    scope: str
    allow_reuse: bool = False


class MfaChallenge(msgspec.Struct, frozen=True, kw_only=True):
    webauthn_challenge: Json | None = None
    totp_challenge: bool = False


class MfaResponse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a challenge: one of the two."""

    totp_code: str = ""
    webauthn_response: Json | None = None


class MfaQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind` node: a session on the servers that `target` (name, id or address) or `labels` mean, as `login`.
    `kind` admin_action: a change that only administrators make.
    """

    kind: str = "node"
    target: str = ""
    login: str = ""
    labels: dict[str, str] = {}


class MfaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the caller, as the present certificate is, has to prove a second factor first."""

    required: bool


class BeginDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Needs proof by a device the caller has, if there is one."""

    device_type: str
    device_usage: str = "mfa"
    existing: MfaResponse = MfaResponse()


class AddDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    totp_code: str = ""
    webauthn_response: Json | None = None


class RemoveDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` or id. The last device of a person who needs one stays."""

    name: str
    existing: MfaResponse = MfaResponse()


CHALLENGE = Route("POST", "/v1/mfa/challenge", ChallengeRequest, MfaChallenge, summary="Ask to prove a second factor")
REQUIRED = Route("POST", "/v1/mfa/required", MfaQuestion, MfaAnswer, summary="Is a second factor needed for this?")
DEVICES = Route("GET", "/v1/mfa/devices", Empty, MfaDevices, summary="The caller's devices")
BEGIN_DEVICE = Route("POST", "/v1/mfa/devices/begin", BeginDevice, RegisterChallenge, summary="Begin to add a device")
ADD_DEVICE = Route("POST", "/v1/mfa/devices", AddDevice, MfaDevice, summary="Finish adding a device")
REMOVE_DEVICE = Route("POST", "/v1/mfa/devices/remove", RemoveDevice, Empty, summary="Remove a device")
ROUTES = (CHALLENGE, REQUIRED, DEVICES, BEGIN_DEVICE, ADD_DEVICE, REMOVE_DEVICE)
