"""What a list and a member must meet to be written: roles that exist, no knots, nothing beyond the giver's own."""

from __future__ import annotations

from datetime import datetime

from teleport.auth.access_lists.grants import granted_roles, person_of
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.resources.access_list import AccessList, AccessListMember, Audit
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.policy.access_lists import LIST, AccessLists, Person, next_audit

MAX_MEMBERS = 10_000


async def all_lists(cluster: Cluster) -> tuple[list[AccessList], list[AccessListMember]]:
    lists = [one async for one in cluster.store.iterate(AccessList)]
    return lists, [one async for one in cluster.store.iterate(AccessListMember)]


async def check_list(cluster: Cluster, guard: Guard, caller: Caller, new: AccessList, old: AccessList | None) -> None:
    """Fills in when the first review is due. Raises BadParameter, AccessDenied."""
    lists, members = await all_lists(cluster)
    names = {one.name for one in lists}
    for owner in new.spec.owners:
        if owner.membership_kind == LIST and owner.name not in names:
            raise BadParameter(f"access list {owner.name!r} does not exist, so it cannot own {new.name!r}")
    for role in granted_roles(new):
        if await cluster.store.find(Role, role) is None:
            raise BadParameter(f"role {role!r} does not exist, so access list {new.name!r} cannot grant it")
    await _check_gift(guard, caller, new, old)
    AccessLists([*(one for one in lists if one.name != new.name), new], members).check_nesting()
    if new.spec.audit is None or new.spec.audit.next_audit_date is None:
        audit = new.spec.audit or Audit()
        audit.next_audit_date = next_audit(new, cluster.clock.now())
        new.spec.audit = audit


async def _check_gift(guard: Guard, caller: Caller, new: AccessList, old: AccessList | None) -> None:
    """A list is a way to give roles: whoever may not write roles gives only what they hold."""
    if _may_give_anything(guard, caller):
        return
    added = set(granted_roles(new)) - set(granted_roles(old) if old else ())
    if more := sorted(added - set(caller.person().roles)):
        await guard.refuse(
            caller,
            f"you may not have a list grant role {more[0]!r}: you do not hold it, and your roles do not let you "
            "write roles",
        )
    if _traits_of(new) != _traits_of(old):
        await guard.refuse(caller, "you may not change the traits of a list: your roles do not let you write roles")


def _may_give_anything(guard: Guard, caller: Caller) -> bool:
    return not caller.is_person or (guard.allows(caller, "update", "role") and guard.allows(caller, "create", "role"))


def _traits_of(found: AccessList | None) -> list[dict[str, list[str]]]:
    given = (found.spec.grants, found.spec.owner_grants) if found is not None else (None, None)
    return [{name: list(values) for name, values in one.traits.items()} if one is not None else {} for one in given]


async def check_member(cluster: Cluster, guard: Guard, caller: Caller, new: AccessListMember) -> None:
    """Nobody gets more by adding to a list, themselves or through another list, unless they may write roles anyway.

    Raises AccessDenied, BadParameter, NotFound.
    """
    lists, members = await all_lists(cluster)
    names = {one.name for one in lists}
    if new.spec.access_list not in names:
        raise NotFound(f"access list {new.spec.access_list!r} is not found")
    if new.spec.membership_kind == LIST and new.spec.name not in names:
        raise BadParameter(f"access list {new.spec.name!r} does not exist, so it cannot be a member")
    mine = [one for one in members if one.spec.access_list == new.spec.access_list and one.key != new.key]
    if len(mine) >= MAX_MEMBERS:
        raise BadParameter(f"access list {new.spec.access_list!r} has {MAX_MEMBERS} members already")
    AccessLists(lists, [*(one for one in members if one.key != new.key), new]).check_nesting()
    user = await cluster.store.find(User, caller.name) if caller.is_person else None
    if user is None or _may_give_anything(guard, caller):
        return
    if gains(lists, members, new, person_of(user), cluster.clock.now()):
        await guard.refuse(caller, f"somebody else has to add you to access list {new.spec.access_list!r}")


def gains(
    lists: list[AccessList], before: list[AccessListMember], new: AccessListMember, person: Person, now: datetime
) -> bool:
    """Whether this person would have more by the new member than without it."""
    old = AccessLists(lists, before).grants(person, now)
    after = AccessLists(lists, [*(one for one in before if one.key != new.key), new]).grants(person, now)
    more = set(after.roles) - set(old.roles) - set(person.roles)
    return bool(more) or any(
        set(values) - set(old.traits.get(name, ())) - set(person.traits.get(name, ()))
        for name, values in after.traits.items()
    )
