"""Leases in semaphores: written over what was read, so that two hosts never share the last one.

A host that dies leaves its leases behind; they are counted no longer than `session_control_timeout`. A host that is
locked ends all connections and may not call to give their leases back: those are not counted any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from teleport.api.route import Empty
from teleport.api.routes.leases import HoldLease, LeaseHeld, ReleaseLease
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.foundation.errors import (
    AccessDenied,
    AlreadyExists,
    BadParameter,
    LimitExceeded,
    NotFound,
    RevisionConflict,
    Unavailable,
)
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock
from teleport.model.resources.semaphore import Semaphore, SemaphoreLease, SemaphoreSpec
from teleport.policy import locks
from teleport.session.leases import LeaseKind

MAX_LIMIT = 100_000
_TRIES = 100
_MAX_ID = 64


class Leases:
    """For hosts alone: what they say of users is believed, as everything is that they enforce."""

    def __init__(self, cluster: Cluster, guard: Guard) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._guard = guard

    async def hold(self, caller: Caller, request: HoldLease) -> LeaseHeld:
        """Raises LimitExceeded when others hold all of them."""
        await self._check(caller, request)
        if not 0 < request.limit <= MAX_LIMIT:
            raise BadParameter(f"limit is {request.limit}, expected 1 to {MAX_LIMIT}")
        lasts = (await self._cluster.networking()).spec.session_control_timeout
        for _ in range(_TRIES):
            expires = self._cluster.clock.now() + lasts
            lease = SemaphoreLease(lease_id=request.lease_id, expires=expires, holder=caller.host_id)
            semaphore, others = await self._read(request)
            mine = next((one for one in others if one.lease_id == request.lease_id), None)
            if mine is not None:
                if mine.holder != caller.host_id:
                    raise AccessDenied("this lease belongs to another host")
                others.remove(mine)
            elif len(others) >= request.limit:
                raise LimitExceeded(f"all {request.limit} leases of kind {request.kind} are held")
            if await self._write(semaphore, request, [*others, lease]):
                return LeaseHeld(expires)
        raise Unavailable("too many hosts ask for this lease at once")

    async def release(self, caller: Caller, request: ReleaseLease) -> Empty:
        """One that is gone already is fine."""
        await self._check(caller, request)
        for _ in range(_TRIES):
            semaphore, leases = await self._read(request)
            left = [one for one in leases if (one.lease_id, one.holder) != (request.lease_id, caller.host_id)]
            if len(left) == len(leases) or await self._write(semaphore, request, left):
                return Empty()
        raise Unavailable("too many hosts ask for this lease at once")

    async def _check(self, caller: Caller, request: HoldLease | ReleaseLease) -> None:
        if not caller.host_id:
            raise AccessDenied("leases are held by hosts for the people that they serve")
        await self._guard.require(caller, "update", Semaphore.KIND, name=request.name)
        if request.kind not in get_args(LeaseKind):
            raise BadParameter(f"leases of kind {request.kind[:_MAX_ID]!r} are not known")
        if not request.name or not 0 < len(request.lease_id) <= _MAX_ID:
            raise BadParameter("a lease has a name and an id")

    async def _read(self, request: HoldLease | ReleaseLease) -> tuple[Semaphore | None, list[SemaphoreLease]]:
        """The semaphore as it is kept, and the leases in it that still count."""
        semaphore = await self._store.find(Semaphore, f"{request.kind}/{request.name}")
        if semaphore is None:
            return None, []
        now, in_force = self._cluster.clock.now(), [lock async for lock in self._store.iterate(Lock)]
        return semaphore, [
            one for one in semaphore.spec.leases if one.expires > now and not self._is_locked(one.holder, in_force)
        ]

    def _is_locked(self, host_id: str, in_force: Sequence[Lock]) -> bool:
        now, name = self._cluster.clock.now(), self._cluster.name
        host = Identity(
            username=f"{host_id}.{name}", cluster=name, expires=now, system_role="Instance", host_id=host_id
        )
        return locks.blocking(in_force, host, None, now) is not None

    async def _write(
        self, semaphore: Semaphore | None, request: HoldLease | ReleaseLease, leases: list[SemaphoreLease]
    ) -> bool:
        """False when somebody else was faster."""
        try:
            if semaphore is not None and not leases:
                await self._store.delete(Semaphore, semaphore.key, semaphore.revision)
            elif leases:
                metadata = Metadata(name=request.name, expires=max(one.expires for one in leases))
                made = Semaphore(sub_kind=request.kind, metadata=metadata, spec=SemaphoreSpec(leases=leases))
                if semaphore is None:
                    await self._store.create(made)
                else:
                    made.metadata.revision = semaphore.revision
                    await self._store.update(made)
        except (AlreadyExists, RevisionConflict, NotFound):
            return False
        return True
