"""Why may I, or may I not? For whoever asks about themselves; administrators have `tctl access explain`."""

from __future__ import annotations

from typing import Literal

import msgspec

from teleport.api.route import Route


class ExplainAccess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource by name (servers also by host name), and as whom: an SSH login, a Windows or database user.

    `values` are other fields that roles decide by (`db_names`, ...).
    """

    kind: str
    name: str
    login: str = ""
    values: dict[str, str] = {}
    language: Literal["en", "ko"] = "en"


class AccessExplained(msgspec.Struct, frozen=True, kw_only=True):
    """The answer in words, of what the caller may know: for what is hidden the same as for what is not there."""

    allowed: bool
    message: str
    roles: tuple[str, ...] = ()
    """The caller's roles that allow it."""
    logins: tuple[str, ...] = ()
    """The logins that are open instead, on a resource that the caller sees."""


EXPLAIN = Route(
    "POST",
    "/v1/access/explain",
    ExplainAccess,
    AccessExplained,
    summary="Why the caller may or may not reach something",
)
ROUTES = (EXPLAIN,)
