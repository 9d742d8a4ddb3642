"""Events of users: logins, accounts, second factors, links."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec

from teleport.model.events.base import Event, ResourceEvent, UserEvent


class MFADeviceRef(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How events name a second factor."""

    mfa_device_name: str = ""
    mfa_device_uuid: str = ""
    mfa_device_type: str = ""


class UserLogin(UserEvent):
    """`method`: local, oidc, saml, github, headless."""

    type: ClassVar[str] = "user.login"
    code: ClassVar[str] = "T1000I"

    method: str = ""
    mfa_device: MFADeviceRef | None = None
    applied_login_rules: list[str] = []
    attributes: dict[str, Any] = {}
    connector_id: str = ""


class UserLoginFailed(UserLogin):
    code = "T1000W"


class SSOLogin(UserLogin):
    code = "T1001I"


class SSOLoginFailed(UserLogin):
    code = "T1001W"


class SSOTestLogin(UserLogin):
    code = "T1010I"


class SSOTestLoginFailed(UserLogin):
    code = "T1011W"


class HeadlessLoginRequested(UserLogin):
    """`message` is the request's id."""

    code = "T1012I"


class HeadlessLoginApproved(UserLogin):
    code = "T1013I"


class HeadlessLoginApprovalFailed(UserLogin):
    code = "T1013W"


class HeadlessLoginRejected(UserLogin):
    code = "T1014W"


class UserCreated(ResourceEvent):
    type: ClassVar[str] = "user.create"
    code: ClassVar[str] = "T1002I"

    roles: list[str] = []
    connector: str = ""
    current_roles: list[str] = []
    beyond_author: list[str] = []
    """Those of the roles that the author does not hold. The reference knows no such field."""


class UserUpdated(UserCreated):
    type = "user.update"
    code = "T1003I"


class UserDeleted(ResourceEvent):
    type: ClassVar[str] = "user.delete"
    code: ClassVar[str] = "T1004I"


class PasswordChanged(UserEvent):
    type: ClassVar[str] = "user.password_change"
    code: ClassVar[str] = "T1005I"


class MFADeviceAdded(UserEvent):
    type: ClassVar[str] = "mfa.add"
    code: ClassVar[str] = "T1006I"

    mfa_device_name: str = ""
    mfa_device_uuid: str = ""
    mfa_device_type: str = ""


class MFADeviceDeleted(MFADeviceAdded):
    type = "mfa.delete"
    code = "T1007I"


class MFAChallengeCreated(UserEvent):
    type: ClassVar[str] = "mfa_auth_challenge.create"
    code: ClassVar[str] = "T1015I"

    challenge_scope: str = ""
    challenge_allow_reuse: bool = False
    flow_type: int = 0


class MFAChallengeValidated(MFAChallengeCreated):
    type = "mfa_auth_challenge.validate"
    code = "T1016I"

    mfa_device: MFADeviceRef | None = None


class MFAChallengeRefused(MFAChallengeValidated):
    code = "T1016W"


class RecoveryCodesGenerated(UserEvent):
    type: ClassVar[str] = "recovery_code.generated"
    code: ClassVar[str] = "T1008I"


class RecoveryCodeUsed(UserEvent):
    type: ClassVar[str] = "recovery_code.used"
    code: ClassVar[str] = "T1009I"


class RecoveryCodeRefused(RecoveryCodeUsed):
    code = "T1009W"


class ResetPasswordTokenCreated(ResourceEvent):
    """A link was made: an invitation or a reset. `name` is the user's."""

    type: ClassVar[str] = "reset_password_token.create"
    code: ClassVar[str] = "T6000I"


class RecoveryTokenCreated(ResourceEvent):
    type: ClassVar[str] = "recovery_token.create"
    code: ClassVar[str] = "T6001I"


class PrivilegeTokenCreated(ResourceEvent):
    type: ClassVar[str] = "privilege_token.create"
    code: ClassVar[str] = "T6002I"


class AuthFailed(UserEvent):
    """Somebody was refused by a server, a proxy or auth: unknown, or not allowed."""

    type: ClassVar[str] = "auth"
    code: ClassVar[str] = "T3007W"

    server_id: str = ""
    server_hostname: str = ""
    namespace: str = ""


class AccessListInvalid(UserEvent):
    """A list was skipped at login."""

    type: ClassVar[str] = "user_login.access_list_invalid"
    code: ClassVar[str] = "TAL009W"

    access_list_name: str = ""
    missing_roles: list[str] = []


class BotCreated(ResourceEvent):
    type: ClassVar[str] = "bot.create"
    code: ClassVar[str] = "TB001I"


class BotUpdated(ResourceEvent):
    type: ClassVar[str] = "bot.update"
    code: ClassVar[str] = "TB002I"


class BotDeleted(ResourceEvent):
    type: ClassVar[str] = "bot.delete"
    code: ClassVar[str] = "TB003I"


class StableUnixUserCreated(Event):
    type: ClassVar[str] = "stable_unix_user.create"
    code: ClassVar[str] = "TSUU001I"

    username: str = ""
    uid_number: int = 0
    created: datetime | None = None
