"""What access lists give a user now, kept as the user's login state: what is taken back counts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from teleport.auth.cluster import Cluster
from teleport.auth.settings import CLOCK_SKEW, MAX_CERTIFICATE_TTL
from teleport.foundation.errors import AlreadyExists, NotFound, RevisionConflict, Unavailable
from teleport.model.events.user import AccessListInvalid
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import AccessList, AccessListMember
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.model.resources.user_login_state import UserLoginState
from teleport.policy.access_lists import AccessLists, Granted, Person

_ATTEMPTS = 20
NOTHING = Granted()


class Directory(msgspec.Struct, frozen=True):
    """All lists as they are now. `missing`: lists that give nothing, for roles of theirs do not exist."""

    lists: AccessLists
    missing: Mapping[str, tuple[str, ...]]
    titles: Mapping[str, str]


async def directory(cluster: Cluster) -> Directory:
    """Read from the store, so that nothing that was written before is left out."""
    lists = [one async for one in cluster.store.iterate(AccessList)]
    if not lists:
        return Directory(AccessLists((), ()), {}, {})
    members = [one async for one in cluster.store.iterate(AccessListMember)]
    missing: dict[str, tuple[str, ...]] = {}
    for found in lists:
        gone = [role for role in granted_roles(found) if await cluster.store.find(Role, role) is None]
        if gone:
            missing[found.name] = tuple(gone)
    usable = [_without_grants(one) if one.name in missing else one for one in lists]
    return Directory(AccessLists(usable, members), missing, {one.name: one.spec.title for one in lists})


def granted_roles(found: AccessList) -> list[str]:
    """All roles that a list gives to members or owners."""
    given = (found.spec.grants, found.spec.owner_grants)
    return list(dict.fromkeys(role for one in given if one is not None for role in one.roles))


def person_of(user: User) -> Person:
    """With what is the user's own."""
    traits = {name: tuple(values) for name, values in user.spec.traits.items()}
    return Person(name=user.name, roles=tuple(user.spec.roles), traits=traits)


async def granted(cluster: Cluster, user: User) -> Granted:
    """What all lists give the user now."""
    found = await directory(cluster)
    return found.lists.grants(person_of(user), cluster.clock.now())


async def granted_at_login(cluster: Cluster, user: User) -> Granted:
    """The same, kept as the login state, so that it can be taken back. Lists that are skipped are recorded."""
    found = await directory(cluster)
    given = found.lists.grants(person_of(user), cluster.clock.now())
    await keep(cluster, user.name, given)
    for name in (*given.member_of, *given.owner_of):
        if name in found.missing:
            event = AccessListInvalid(
                user=user.name, access_list_name=name, missing_roles=list(found.missing[name]), success=False
            )
            await cluster.journal.record(event)
    return given


async def keep(cluster: Cluster, name: str, given: Granted) -> None:
    """Write the user's login state, unless it says the same or there is nothing to say."""
    for _ in range(_ATTEMPTS):
        old = await cluster.store.find(UserLoginState, name)
        now = cluster.clock.now()
        new = (old or UserLoginState(metadata=Metadata(name=name))).moved(
            given.roles,
            given.traits,
            member_of=given.member_of,
            owner_of=given.owner_of,
            now=now,
            until=now + MAX_CERTIFICATE_TTL + CLOCK_SKEW,
        )
        try:
            if old is None:
                if not new.is_empty:
                    await cluster.store.create(new)
            elif new.is_empty:
                await cluster.store.delete(UserLoginState, name, old.revision)
            elif new.spec != old.spec:
                await cluster.store.update(new)
            return
        except (RevisionConflict, AlreadyExists, NotFound):
            await asyncio.sleep(0)
    raise Unavailable(f"the login state of user {name!r} is being changed by many at once; try again")


async def withdraw(cluster: Cluster, name: str, roles: Iterable[str], traits: Mapping[str, Iterable[str]]) -> None:
    """Certificates from before lose these at once: a provider no longer gives them."""
    roles, traits = tuple(roles), {trait: tuple(values) for trait, values in traits.items()}
    if not roles and not any(traits.values()):
        return
    for _ in range(_ATTEMPTS):
        old = await cluster.store.find(UserLoginState, name)
        until = cluster.clock.now() + MAX_CERTIFICATE_TTL + CLOCK_SKEW
        new = (old or UserLoginState(metadata=Metadata(name=name))).without(roles, traits, until=until)
        try:
            await (cluster.store.create(new) if old is None else cluster.store.update(new))
            return
        except (RevisionConflict, AlreadyExists, NotFound):
            await asyncio.sleep(0)
    raise Unavailable(f"the login state of user {name!r} is being changed by many at once; try again")


async def note_request_roles(cluster: Cluster, user: str, by_request: Mapping[str, Iterable[str]]) -> None:
    """Requests give roles again that a list took back: certificates with those requests may have them."""
    for _ in range(_ATTEMPTS):
        old = await cluster.store.find(UserLoginState, user)
        if old is None:
            return
        taken = {
            name: kept
            for name, roles in by_request.items()
            if (kept := [role for role in roles if role in old.spec.withdrawn_roles])
        }
        if all(old.spec.request_roles.get(name) == roles for name, roles in taken.items()):
            return
        spec = msgspec.structs.replace(old.spec, request_roles={**old.spec.request_roles, **taken})
        try:
            await cluster.store.update(msgspec.structs.replace(old, spec=spec))
            return
        except (RevisionConflict, NotFound):
            await asyncio.sleep(0)
    raise Unavailable(f"the login state of user {user!r} is being changed by many at once; try again")


async def reconcile(cluster: Cluster) -> datetime | None:
    """Bring every login state up to date; when a membership ends next, if one does.

    Also a membership that nobody uses yet: a login with it begins its state, which nothing here is told of.
    """
    states = [one async for one in cluster.store.iterate(UserLoginState)]
    found, now = await directory(cluster), cluster.clock.now()
    for state in states:
        user = await cluster.store.find(User, state.name)
        await keep(cluster, state.name, found.lists.grants(person_of(user), now) if user is not None else NOTHING)
    return found.lists.next_end(now)


def until_next(end: datetime | None, now: datetime, longest: timedelta) -> float:
    """Seconds to wait for that moment, at most `longest`."""
    left = end - now if end is not None else longest
    return max(0.05, min(left, longest).total_seconds())


def _without_grants(found: AccessList) -> AccessList:
    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, grants=None, owner_grants=None))
