"""Getting back in with a recovery code: without the password, or without the second factor, never without both.

A code starts it; what was not lost is proved; then a new password is chosen or a new device registered.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Audience, Empty, Route
from teleport.api.routes.mfa import MfaChallenge, MfaResponse


class NewRecoveryCodes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Needs proof by a device the caller has."""

    existing: MfaResponse = MfaResponse()


class RecoveryCodes(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once; earlier ones are good no more."""

    codes: tuple[str, ...]
    created: datetime


class RecoveryCodesKept(msgspec.Struct, frozen=True, kw_only=True):
    """How many are still good, and since when; nobody can read them again."""

    left: int
    created: datetime | None = None


class StartRecovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`recover` is what was lost: password or mfa."""

    user: str
    recovery_code: str
    recover: str


class RecoveryToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class RecoveryGranted(msgspec.Struct, frozen=True, kw_only=True):
    """`token` names the recovery in the next step."""

    token: str
    expires: datetime


class ApproveRecovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was not lost: the password, or an answer to the recovery's challenge."""

    token: str
    password: str = ""
    mfa_response: MfaResponse = MfaResponse()


class FinishRecovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new password, or the new device as in a sign-up (its challenge comes from the sign-up's route)."""

    token: str
    password: str = ""
    second_factor_token: str = ""
    webauthn_creation_response: Json | None = msgspec.field(name="webauthnCreationResponse", default=None)
    device_name: str = msgspec.field(name="deviceName", default="")


CODES = Route("GET", "/v1/recovery/codes", Empty, RecoveryCodesKept, summary="Recovery codes that are left")
NEW_CODES = Route(
    "POST", "/v1/recovery/codes", NewRecoveryCodes, RecoveryCodes, summary="New recovery codes", heavy=True
)
START = Route(
    "POST",
    "/webapi/recovery/start",
    StartRecovery,
    RecoveryGranted,
    Audience.PUBLIC,
    summary="Begin to recover an account with a recovery code",
    heavy=True,
)
CHALLENGE = Route(
    "POST",
    "/webapi/recovery/challenge",
    RecoveryToken,
    MfaChallenge,
    Audience.PUBLIC,
    summary="Ask for the second factor that was not lost",
    heavy=True,
)
APPROVE = Route(
    "POST",
    "/webapi/recovery/approve",
    ApproveRecovery,
    RecoveryGranted,
    Audience.PUBLIC,
    summary="Prove what was not lost",
    heavy=True,
)
FINISH = Route(
    "POST",
    "/webapi/recovery/finish",
    FinishRecovery,
    RecoveryCodes,
    Audience.PUBLIC,
    summary="Choose a new password or register a new device",
    heavy=True,
)
ROUTES = (CODES, NEW_CODES, START, CHALLENGE, APPROVE, FINISH)
