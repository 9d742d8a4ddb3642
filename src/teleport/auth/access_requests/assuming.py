"""Assuming approved requests in a certificate, and dropping them: what is added, what is narrowed, when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from teleport.auth.access_lists.grants import note_request_roles
from teleport.auth.access_requests.register import Register
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.holdings import lasting
from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.identity import Identity
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.lock import Lock
from teleport.policy import locks
from teleport.policy.access_requests import is_in_force
from teleport.policy.role_set import RoleSet

MAX_ACTIVE = 20
ALL = "*"


class Assumed(msgspec.Struct, frozen=True):
    """`identity` is what the new certificate is made from and may not exceed; it ends at `ceiling` at the latest."""

    identity: Identity
    role_set: RoleSet
    ceiling: datetime


class Assuming:
    """The step before a reissue."""

    def __init__(self, cluster: Cluster, guard: Guard, register: Register) -> None:
        self._cluster = cluster
        self._guard = guard
        self._register = register

    async def assumed(self, caller: Caller, added: Sequence[str], dropped: Sequence[str]) -> Assumed:
        """The caller's certificate with these requests besides those it carries, without those dropped (`*`: all).

        Raises AccessDenied for a request that is not the caller's, not approved, not begun or over, and for a second
        one that narrows to resources.
        """
        shown = caller.person()
        kept = [] if ALL in dropped else [name for name in shown.active_requests if name not in dropped]
        names = list(dict.fromkeys([*kept, *added]))
        if len(names) > MAX_ACTIVE:
            raise BadParameter(f"at most {MAX_ACTIVE} access requests can be assumed at once")
        if not names and not shown.active_requests:
            assert caller.role_set is not None
            return Assumed(shown, caller.role_set, shown.expires)
        requests = [await self._in_force(caller, name) for name in names]
        narrowing = [one for one in requests if one.spec.requested_resource_ids]
        if len(narrowing) > 1:
            await self._guard.refuse(
                caller, "only one access request for resources can be assumed at a time; drop the other first"
            )
        identity = _with(await lasting(self._cluster, shown), requests)
        await self._refuse_if_locked(caller, identity)
        await note_request_roles(self._cluster, caller.name, {one.name: one.spec.roles for one in requests})
        ends = [one.spec.expires for one in requests if one.spec.expires is not None]
        return Assumed(identity, await role_set_of(self._cluster, identity), min([shown.expires, *ends]))

    async def _refuse_if_locked(self, caller: Caller, identity: Identity) -> None:
        """By what the certificate would say: a lock may be on the request, or on a role it brings."""
        in_force = [lock async for lock in self._cluster.store.iterate(Lock)]
        lock = locks.blocking(in_force, identity, None, self._cluster.clock.now())
        if lock is not None:
            await self._guard.refuse(caller, locks.message(lock))

    async def _in_force(self, caller: Caller, name: str) -> AccessRequest:
        try:
            found = await self._register.get(name)
        except NotFound:
            found = None
        if found is None or found.spec.user != caller.name:
            await self._guard.refuse(caller, f"access request {name!r} is not yours, or it is over")
        spec = found.spec
        if spec.state == "PROMOTED":
            await self._guard.refuse(
                caller, f"access request {name!r} became membership of an access list: log in again to have it"
            )
        if spec.state != "APPROVED":
            await self._guard.refuse(caller, f"access request {name!r} is {spec.state.lower()}, not approved")
        if not is_in_force(found, caller.name, self._cluster.clock.now()):
            begins = spec.assume_start_time.isoformat() if spec.assume_start_time else "another time"
            await self._guard.refuse(caller, f"access request {name!r} cannot be assumed before {begins}")
        return found


def _with(base: Identity, requests: Sequence[AccessRequest]) -> Identity:
    """Roles are added. A request for resources also narrows to them whatever roles the certificate has."""
    return msgspec.structs.replace(
        base,
        roles=tuple(dict.fromkeys([*base.roles, *(role for one in requests for role in one.spec.roles)])),
        active_requests=tuple(one.name for one in requests),
        allowed_resources=tuple(resource for one in requests for resource in one.spec.requested_resource_ids),
    )
