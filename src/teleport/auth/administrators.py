"""Keeps the last administrator: no write leaves a cluster without a local user who may write users and roles.

What keeps the cluster administrable is a condition of the write itself, so two administrators who remove each other
at the same moment do not both succeed. Whoever confirms it may do it: `tctl` on the host of auth still repairs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from teleport.foundation.errors import BadParameter, NotFound, RevisionConflict
from teleport.model.resource import Resource
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.policy.administration import administers, speaks_of_administration
from teleport.storage.store import RequireOf, Store, Write

ATTEMPTS = 5


class Administrators:
    """Carries out writes of users and roles."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def commit(self, write: Write, old: Resource | None, new: Resource | None) -> Sequence[Resource]:
        """As Store.transact. Raises BadParameter when nobody would be left to administer users and roles."""
        for _ in range(ATTEMPTS):
            conditions = await self._conditions(old, new)
            try:
                return await self._store.transact([write, *conditions])
            except (NotFound, RevisionConflict):
                if not await self._changed(conditions):
                    raise
        raise RevisionConflict("users and roles change too often at the moment: repeat the change")

    async def _conditions(self, old: Resource | None, new: Resource | None) -> list[RequireOf]:
        """What must stay as it is for the write to be harmless."""
        if not await self._weakens(old, new):
            return []
        assert isinstance(old, User | Role)
        roles = {role.name: role async for role in self._store.iterate(Role)}
        before = dict(roles)
        if isinstance(old, Role):
            roles.pop(old.name, None)
            if isinstance(new, Role):
                roles[new.name] = new
        found_before = False
        async for user in self._store.iterate(User):
            found_before = found_before or administers(user, before)
            is_old = isinstance(old, User) and user.name == old.name
            if not is_old and administers(user, roles):
                held = (roles[name] for name in dict.fromkeys(user.spec.roles))
                return [
                    RequireOf(User, user.name, user.revision),
                    *(RequireOf(Role, role.name, role.revision) for role in held if role is not new),
                ]
        if found_before:
            raise BadParameter(_last(old, new))
        return []

    async def _weakens(self, old: Resource | None, new: Resource | None) -> bool:
        """Whether it could take the administration of users and roles away from somebody."""
        if isinstance(old, User):
            roles: dict[str, Role] = {}
            for name in {*old.spec.roles, *(new.spec.roles if isinstance(new, User) else ())}:
                if (role := await self._store.find(Role, name)) is not None:
                    roles[name] = role
            return administers(old, roles) and not (isinstance(new, User) and administers(new, roles))
        if not isinstance(old, Role):
            return False
        return any(speaks_of_administration(role) for role in (old, new) if isinstance(role, Role))

    async def _changed(self, conditions: Sequence[RequireOf]) -> bool:
        for condition in conditions:
            found = await self._store.find(condition.kind, condition.name)
            if found is None or found.revision != condition.revision:
                return True
        return False


def _last(old: User | Role, new: Resource | None) -> str:
    change = "deleted" if new is None else "changed like this"
    return (
        f"{old.kind} {old.name!r} cannot be {change}: no local user would be left who may write users and roles; "
        'give somebody else such a role first (the preset "editor" is one), or add --confirm: after that only tctl '
        "on the host of the auth service can repair it"
    )
