"""The nine errors of this system. Everything that may go wrong for a reason a person can act on is one of them.

TeleportError
├── BadParameter       what was asked for is malformed
├── NotAuthenticated   who is asking is not known
├── AccessDenied       who is asking may not have it
│   └── MfaRequired    … before a second factor is proved
├── NotFound           it is not there, or must not be seen
├── AlreadyExists      it is there already
├── RevisionConflict   it changed since it was read
├── LimitExceeded      too many, too large, too fast
├── Unavailable        the other side cannot be reached or is not ready: try again
└── Unsupported        known, and not offered here
"""

from __future__ import annotations

from typing import ClassVar


class TeleportError(Exception):
    """An error whose message says what was wanted, what was found and what to do.

    `event_id` is the audit event that recorded a refusal; a person quotes it to an administrator.
    """

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, event_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.event_id = event_id

    def __str__(self) -> str:
        return f"{self.message} (event {self.event_id})" if self.event_id else self.message


class BadParameter(TeleportError):
    code = "bad_parameter"
    http_status = 400


class NotAuthenticated(TeleportError):
    code = "not_authenticated"
    http_status = 401


class AccessDenied(TeleportError):
    code = "access_denied"
    http_status = 403


class MfaRequired(AccessDenied):
    """The same request with a fresh proof of a second factor would be allowed, as far as can be told."""

    code = "mfa_required"


class NotFound(TeleportError):
    code = "not_found"
    http_status = 404


class AlreadyExists(TeleportError):
    code = "already_exists"
    http_status = 409


class RevisionConflict(TeleportError):
    code = "revision_conflict"
    http_status = 412


class LimitExceeded(TeleportError):
    code = "limit_exceeded"
    http_status = 429


class Unavailable(TeleportError):
    code = "unavailable"
    http_status = 503


class Unsupported(TeleportError):
    code = "unsupported"
    http_status = 501


BY_CODE: dict[str, type[TeleportError]] = {
    kind.code: kind
    for kind in (
        BadParameter,
        NotAuthenticated,
        AccessDenied,
        MfaRequired,
        NotFound,
        AlreadyExists,
        RevisionConflict,
        LimitExceeded,
        Unavailable,
        Unsupported,
    )
}


def from_code(code: str, message: str, event_id: str = "") -> TeleportError:
    """The error that another process named by `code`; an unknown code becomes the plain TeleportError."""
    return BY_CODE.get(code, TeleportError)(message, event_id=event_id)
