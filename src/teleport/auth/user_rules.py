"""What a user resource must meet beyond its form: roles that exist, and no more than the giver could give."""

from __future__ import annotations

from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.model.resources.user import User

MAX_ROLES = 100
_FORBIDDEN = frozenset("/\\?#% ")


async def check_user(cluster: Cluster, guard: Guard, caller: Caller, user: User, old: User | None) -> None:
    """Raises BadParameter, AccessDenied.

    Whoever may write users but not roles may hand out only roles they hold themselves: else writing a user would be a
    way to every role there is.
    """
    if old is None:
        check_name(user.name)
    if len(user.spec.roles) > MAX_ROLES:
        raise BadParameter(f"user {user.name!r} has {len(user.spec.roles)} roles, at most {MAX_ROLES} are allowed")
    for role in user.spec.roles:
        if await cluster.store.find(Role, role) is None:
            raise BadParameter(f"role {role!r} does not exist, so user {user.name!r} cannot have it")
    if caller.is_person:
        await _check_grant(guard, caller, user, old)


def check_name(name: str) -> None:
    """Raises BadParameter for a name that could not stand in addresses and certificates."""
    if not name or any(character in _FORBIDDEN or not character.isprintable() for character in name):
        raise BadParameter(f"user name {name!r}: slashes, spaces and the like are not allowed")


async def check_reach(guard: Guard, caller: Caller, user: User) -> None:
    """Raises AccessDenied. A link to new credentials is a way to all that the user may do."""
    if not caller.is_person or _may_give_all(guard, caller):
        return
    if more := sorted(set(user.spec.roles) - set(caller.person().roles)):
        await guard.refuse(
            caller,
            f"you may not reset a user with role {more[0]!r}: you do not hold it, and your roles do not let you "
            "write roles",
        )


def _may_give_all(guard: Guard, caller: Caller) -> bool:
    return guard.allows(caller, "update", "role") and guard.allows(caller, "create", "role")


async def _check_grant(guard: Guard, caller: Caller, user: User, old: User | None) -> None:
    if _may_give_all(guard, caller):
        return
    held = set(caller.person().roles)
    added = set(user.spec.roles) - set(old.spec.roles if old else ())
    if more := sorted(added - held):
        await guard.refuse(
            caller,
            f"you may not give role {more[0]!r}: you do not hold it, and your roles do not let you write roles",
        )
    if user.name == caller.name and old is not None and user.spec.traits != old.spec.traits:
        await guard.refuse(caller, "you may not change your own traits: your roles do not let you write roles")
