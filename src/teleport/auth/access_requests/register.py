"""The requests there are: read from a copy in memory, written to the store, ended when their time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from teleport.api.routes.access_requests import AccessRequestShown
from teleport.auth.cluster import Cluster
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import NotFound, RevisionConflict, Unavailable
from teleport.model.codec import encode_json
from teleport.model.events.access_request import AccessRequestExpired
from teleport.model.resources.access_request import AccessRequest
from teleport.storage.backend import Gap
from teleport.storage.replica import Replica

ATTEMPTS = 50
_GRACE = timedelta(hours=1)  # who ends requests is late, not absent: the store's own expiry is the last resort
_CATCH_UP = 2.0

Edit = Callable[[AccessRequest], AccessRequest]


def end_of(request: AccessRequest) -> datetime | None:
    """When it is over: while pending the wait for reviews, else the access."""
    spec = request.spec
    if spec.state == "PENDING" and spec.created is not None and spec.request_ttl is not None:
        return spec.created + spec.request_ttl.delta
    return spec.expires


class Register:
    """Shared by whatever works with requests."""

    def __init__(self, cluster: Cluster, replica: Replica) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._replica = replica
        self._written = 0

    def shown(self, request: AccessRequest) -> AccessRequestShown:
        return AccessRequestShown(msgspec.Raw(encode_json(request)))

    def all(self) -> Sequence[AccessRequest]:
        """Those that are not over, from the copy: what was written a moment ago may be missing."""
        now = self._cluster.clock.now()
        return [one for one in self._replica.list(AccessRequest) if not self._is_over(one, now)]

    async def current(self) -> Sequence[AccessRequest]:
        """The same with all that this server has written itself."""
        changes = self._replica.changes((AccessRequest.KIND,))
        try:
            async with asyncio.timeout(_CATCH_UP):
                while self._replica.revision < self._written:
                    await anext(changes)
        except (TimeoutError, StopAsyncIteration):
            raise Unavailable("the list of access requests is not current yet; try again") from None
        finally:
            changes.close()
        return self.all()

    async def get(self, name: str) -> AccessRequest:
        """From the store. Raises NotFound, also for one that is over."""
        found = await self._store.find(AccessRequest, name)
        if found is None or self._is_over(found, self._cluster.clock.now()):
            raise NotFound(f"access request {name!r} is not found")
        return found

    async def when_decided(self, name: str, wait: timedelta) -> AccessRequest:
        """The request once it is no longer pending, or as it is after that time."""
        subscription = self._cluster.feed.subscribe((AccessRequest.KIND,))
        try:
            found = await self.get(name)
            async with asyncio.timeout(wait.total_seconds()):
                while found.spec.state == "PENDING":
                    change = await anext(subscription)
                    if isinstance(change, Gap) or change.name == name:
                        found = await self.get(name)
        except (TimeoutError, StopAsyncIteration):
            return await self.get(name)
        finally:
            subscription.close()
        return found

    async def create(self, request: AccessRequest) -> AccessRequest:
        return self._noted(await self._store.create(_with_end(request)))

    async def edit(self, name: str, edit: Edit) -> AccessRequest:
        """Write what `edit` makes of it; again when somebody else wrote meanwhile, so that both count.

        Raises NotFound, and what `edit` raises.
        """
        for _ in range(ATTEMPTS):
            found = await self.get(name)
            try:
                return self._noted(await self._store.update(_with_end(edit(found))))
            except RevisionConflict:
                await asyncio.sleep(0)
        raise Unavailable(f"access request {name!r} is being changed by many at once; try again")

    async def delete(self, request: AccessRequest) -> None:
        await self._store.delete(AccessRequest, request.name)

    async def end_overdue(self) -> int:
        """Delete what is over, and record it; how many there were."""
        now, count = self._cluster.clock.now(), 0
        for request in self._replica.list(AccessRequest):
            if not self._is_over(request, now):
                continue
            try:
                await self._store.delete(AccessRequest, request.name, request.revision)
            except (NotFound, RevisionConflict):
                continue  # another auth server was first, or it was decided at the last moment
            count += 1
            event = AccessRequestExpired(
                uid=new_uuid(), name=request.name, id=request.name, user=request.spec.user, expires=end_of(request)
            )
            await self._cluster.journal.record(event)
        return count

    def _noted(self, request: AccessRequest) -> AccessRequest:
        self._written = max(self._written, int(request.revision))
        return request

    @staticmethod
    def _is_over(request: AccessRequest, now: datetime) -> bool:
        end = end_of(request)
        return end is not None and end <= now


def _with_end(request: AccessRequest) -> AccessRequest:
    end = end_of(request)
    expires = end + _GRACE if end is not None else None
    return msgspec.structs.replace(request, metadata=msgspec.structs.replace(request.metadata, expires=expires))
