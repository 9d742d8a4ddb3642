"""Databases: who reaches one as which user in which database, what users are made there, and with which rights.

Names of databases are asked only of protocols that have them. Where roles make database users, the user is called
like the person and `db_users` is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from teleport.model.resource import Resource
from teleport.model.resources.database import Database, DatabaseServer
from teleport.policy.access import AccessState, can_access, display_name, granting_roles
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.matching import bits
from teleport.policy.role_set import RoleSet

KIND: Final = "db"
NAMED_PROTOCOLS: Final = frozenset({"postgres", "mongodb", "spanner"})
"""Those that ask for a database by name before anything else, and whose names roles decide."""
MADE_PROTOCOLS: Final = frozenset({"postgres", "mysql", "mongodb"})
"""Those in which users are made by roles."""

UserMode = Literal["off", "keep", "best_effort_drop"]


class DatabaseUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user that is made for the session: named like the person, with these database roles."""

    name: str
    mode: Literal["keep", "best_effort_drop"]
    roles: tuple[str, ...] = ()


class Choices(msgspec.Struct, frozen=True):
    """What a person may pick; `any_user` and `any_name`: a wildcard, so that something must be named."""

    users: tuple[str, ...]
    names: tuple[str, ...]
    any_user: bool = False
    any_name: bool = False

    @property
    def only_user(self) -> str:
        """The user when nothing is named; empty when it must be."""
        return self.users[0] if len(self.users) == 1 and not self.any_user else ""

    @property
    def only_name(self) -> str:
        return self.names[0] if len(self.names) == 1 and not self.any_name else ""


def can_access_database(
    role_set: RoleSet,
    database: Resource,
    user: str,
    name: str,
    state: AccessState,
    *,
    roles: Sequence[str] = (),
) -> Decision:
    """A session as `user` in the database `name`, with the database roles asked for (none: all that are granted).

    `database` is a db or a db_server. Raises BadParameter for another kind.
    """
    role_set = role_set.at(state.now) if state.now is not None else role_set
    is_made = user_mode(role_set, database) != "off"
    if is_made and user != role_set.username:
        return _refused(database, Code.DATABASE_USER_IS_MADE, value=user, wanted=(role_set.username,))
    values = asked_values(role_set, database, user, name)
    decision = can_access(role_set, KIND, database, state, values)
    if not decision.allowed or not is_made:
        return decision
    refused = _made_user_refused(role_set, database, values, roles)
    return decision if refused is None else refused


def asked_values(role_set: RoleSet, database: Resource, user: str, name: str) -> dict[str, str]:
    """What roles are asked for a session: not the user where roles make it, no name where the protocol has none."""
    values = {} if user_mode(role_set, database) != "off" else {"db_users": user}
    return values | ({"db_names": name} if protocol_of(database) in NAMED_PROTOCOLS else {})


def _made_user_refused(
    role_set: RoleSet, database: Resource, values: dict[str, str], roles: Sequence[str]
) -> Decision | None:
    granted = database_roles(role_set, database, values.get("db_names", ""))
    for role in roles:
        if role not in granted:
            return _refused(database, Code.DATABASE_ROLE_NOT_ALLOWED, value=role, wanted=granted)
    granting = granting_roles(role_set, KIND, database, values)
    with_permissions = [one for one in role_set.given if one.name in granting and one.spec.allow.db_permissions]
    if granted and with_permissions:
        role = with_permissions[0].name
        return _refused(database, Code.DATABASE_ROLES_AND_PERMISSIONS, role=role, wanted=granted)
    return None


def user_mode(role_set: RoleSet, database: Resource) -> UserMode:
    """Whether roles that reach this database make users in it: any of them is enough, keep wins over drop."""
    if protocol_of(database) not in MADE_PROTOCOLS or not _has_admin(database):
        return "off"
    modes: set[UserMode] = set()
    for number in bits(role_set.kind(KIND).allow.mask(database.labels)):
        options = role_set.roles[number].spec.options
        modes.add(options.create_db_user_mode or ("keep" if options.create_db_user else "off"))
    return "keep" if "keep" in modes else "best_effort_drop" if "best_effort_drop" in modes else "off"


def database_user(
    role_set: RoleSet, database: Resource, name: str = "", roles: Sequence[str] = ()
) -> DatabaseUser | None:
    """The user to make, None where roles make none. Ask can_access_database first."""
    mode = user_mode(role_set, database)
    if mode == "off":
        return None
    granted = database_roles(role_set, database, name)
    chosen = tuple(role for role in granted if not roles or role in roles)
    return DatabaseUser(name=role_set.username, mode=mode, roles=chosen)


def database_roles(role_set: RoleSet, database: Resource, name: str = "") -> tuple[str, ...]:
    """`db_roles` of the roles that reach this database (by name, where it is asked), less what any role denies."""
    mask = role_set.kind(KIND).allow.mask(database.labels)
    if protocol_of(database) in NAMED_PROTOCOLS and name:
        mask &= role_set.field("db_names").allow_mask(name)
    return tuple(role_set.field("db_roles").values(mask))


def choices(role_set: RoleSet, database: Resource) -> Choices:
    """What may be picked, for lists and for clients that were told nothing."""
    mask = role_set.kind(KIND).allow.mask(database.labels)
    users, names = role_set.field("db_users"), role_set.field("db_names")
    any_user = False
    found_users: tuple[str, ...] = (role_set.username,)
    if user_mode(role_set, database) == "off":
        found_users = tuple(users.values(mask))
        any_user = bool(mask & users.allow_any) and not users.deny_any and not users.broken
    if protocol_of(database) not in NAMED_PROTOCOLS:
        return Choices(found_users, (), any_user, True)
    any_name = bool(mask & names.allow_any) and not names.deny_any and not names.broken
    return Choices(found_users, tuple(names.values(mask)), any_user, any_name)


def protocol_of(database: Resource) -> str:
    """Of a db or of the db in a db_server; empty for anything else."""
    return _database(database).spec.protocol if isinstance(database, Database | DatabaseServer) else ""


def _database(resource: Database | DatabaseServer) -> Database:
    return resource.spec.database if isinstance(resource, DatabaseServer) else resource


def _has_admin(resource: Resource) -> bool:
    """Without an administrator's account nobody could make a user."""
    if not isinstance(resource, Database | DatabaseServer):
        return False
    admin = _database(resource).spec.admin_user
    return admin is not None and bool(admin.name)


def _refused(
    database: Resource,
    code: Code,
    *,
    field: str = "",
    value: str = "",
    role: str = "",
    wanted: tuple[str, ...] = (),
) -> Decision:
    name = display_name(database)
    reason = Reason(code=code, kind=KIND, name=name, field=field, value=value, role=role, wanted=wanted)
    return Decision(allowed=False, reason=reason, is_visible=True)
