"""Desktops: who logs in where as whom, and what the session may do."""

from __future__ import annotations

from typing import Final

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.policy.access import AccessState, can_access, granting_roles, visible
from teleport.policy.decision import Decision
from teleport.policy.matching import bits
from teleport.policy.patterns import WILDCARD
from teleport.policy.role_set import RoleSet

KIND: Final = "windows_desktop"


class DesktopTerms(msgspec.Struct, frozen=True, kw_only=True):
    """`create_user`: a local Windows user is made, in `groups`."""

    clipboard: bool
    directory_sharing: bool
    is_recorded: bool
    create_user: bool
    groups: tuple[str, ...] = ()


def can_access_desktop(role_set: RoleSet, desktop: Resource, login: str, state: AccessState) -> Decision:
    """A session on a desktop as a Windows user."""
    return can_access(role_set, KIND, desktop, state, {"windows_desktop_logins": login})


def desktop_logins(role_set: RoleSet, desktop: Resource) -> list[str]:
    """The Windows users that roles allow there. For the set at the moment."""
    if not visible(role_set, desktop):
        return []
    return role_set.field("windows_desktop_logins").values(role_set.kind(KIND).allow.mask(desktop.labels))


def desktop_terms(role_set: RoleSet, desktop: Resource, login: str) -> DesktopTerms:
    """Clipboard and directories need all roles; the user is made when every role that grants this login wants it.

    Raises BadParameter when a deny of groups cannot be read.
    """
    granting = set(granting_roles(role_set, KIND, desktop, {"windows_desktop_logins": login}))
    numbers = [number for number, role in enumerate(role_set.roles) if role.name in granting]
    create = bool(numbers) and all(role_set.roles[one].spec.options.create_desktop_user for one in numbers)
    options = role_set.options
    return DesktopTerms(
        clipboard=options.desktop_clipboard,
        directory_sharing=options.desktop_directory_sharing,
        is_recorded=options.record_desktop,
        create_user=create,
        groups=_groups(role_set, numbers) if create else (),
    )


def _groups(role_set: RoleSet, numbers: list[int]) -> tuple[str, ...]:
    field = role_set.field("desktop_groups")
    if field.broken:
        raise BadParameter("a deny of desktop_groups cannot be read, so no desktop user is made")
    everyone = (1 << len(role_set.roles)) - 1
    denied = {value for number in bits(everyone) for value in field.denied[number]}
    found = dict.fromkeys(value for number in numbers for value in field.allowed[number])
    return () if WILDCARD in denied else tuple(one for one in found if one not in denied and one != WILDCARD)
