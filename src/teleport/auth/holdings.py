"""What a user holds for good: roles and traits of the account and by access lists, not what was asked for a time."""

from __future__ import annotations

import msgspec

from teleport.auth.access_lists.grants import granted, granted_at_login
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.foundation.errors import AccessDenied
from teleport.model.identity import Identity
from teleport.model.resources.user import User
from teleport.policy.access_lists import Granted
from teleport.policy.role_set import RoleSet


class Holdings(msgspec.Struct, frozen=True):
    roles: tuple[str, ...]
    traits: dict[str, tuple[str, ...]]


async def holdings_of(cluster: Cluster, user: User) -> Holdings:
    """As of now."""
    return _joined(user, await granted(cluster, user))


async def holdings_at_login(cluster: Cluster, user: User) -> Holdings:
    """The same, and the grants are kept so that they can be taken back."""
    return _joined(user, await granted_at_login(cluster, user))


def _joined(user: User, given: Granted) -> Holdings:
    traits = {
        name: tuple(dict.fromkeys([*user.spec.traits.get(name, ()), *given.traits.get(name, ())]))
        for name in (*user.spec.traits, *(name for name in given.traits if name not in user.spec.traits))
    }
    return Holdings(roles=tuple(dict.fromkeys([*user.spec.roles, *given.roles])), traits=traits)


async def lasting(cluster: Cluster, identity: Identity) -> Identity:
    """The certificate without what access requests added to it or took from it.

    Raises AccessDenied when nothing would be left: the roles it was issued for are gone.
    """
    if not identity.active_requests:
        return identity
    user = await cluster.store.find(User, identity.username)
    held = set((await holdings_of(cluster, user)).roles) if user is not None else set[str]()
    kept = tuple(role for role in identity.roles if role in held)
    if not kept:
        raise AccessDenied("nothing is left of your own roles; log in again")
    return msgspec.structs.replace(identity, roles=kept, active_requests=(), allowed_resources=())


async def own_role_set(cluster: Cluster, caller: Caller) -> RoleSet:
    """Of a person's lasting roles: by what was asked for a time nobody asks for more, or reviews."""
    identity = caller.person()
    assert caller.role_set is not None
    if not identity.active_requests:
        return caller.role_set
    return await role_set_of(cluster, await lasting(cluster, identity))
