"""What a user holds for good: the roles and traits of the account. What was asked for a time is not among them."""

from __future__ import annotations

import msgspec

from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.foundation.errors import AccessDenied
from teleport.model.identity import Identity
from teleport.model.resources.user import User
from teleport.policy.role_set import RoleSet


class Holdings(msgspec.Struct, frozen=True):
    roles: tuple[str, ...]
    traits: dict[str, tuple[str, ...]]


async def holdings_of(cluster: Cluster, user: User) -> Holdings:
    """As of now."""
    return Holdings(
        roles=tuple(dict.fromkeys(user.spec.roles)),
        traits={name: tuple(values) for name, values in user.spec.traits.items()},
    )


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
