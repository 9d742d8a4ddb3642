"""What a person may have only so often in the whole cluster: taken before it begins, kept while it lasts."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from teleport.foundation.errors import LimitExceeded, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner

log = get_logger("leases")

LeaseKind: TypeAlias = Literal["connection", "kubernetes_connection"]
RENEW_EVERY = 30.0
"""A quarter of the time for which a lease is good by default."""
_PARTING = 2.0


class LeaseSink(Protocol):
    """Where leases are counted. Both are safe to repeat, and raise TeleportError."""

    async def hold_lease(self, kind: LeaseKind, name: str, lease_id: str, limit: int) -> None: ...

    async def release_lease(self, kind: LeaseKind, name: str, lease_id: str) -> None: ...


@dataclass(eq=False)
class Lease:
    """`on_lost` is called with a reason when it turns out that others hold all of them."""

    kind: LeaseKind
    name: str
    limit: int
    on_lost: Callable[[str], None]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Leases:
    """A Service. While auth is away leases are kept as they are, and nobody gets a new one."""

    name = "leases"

    def __init__(self, sink: LeaseSink, renew_every: float = RENEW_EVERY) -> None:
        self._sink = sink
        self._renew_every = renew_every
        self._held: set[Lease] = set()
        self._tasks = TaskOwner("lease")

    def __len__(self) -> int:
        return len(self._held)

    async def acquire(self, kind: LeaseKind, name: str, limit: int, on_lost: Callable[[str], None]) -> Lease:
        """Raises LimitExceeded when all are held, TeleportError when that cannot be known."""
        lease = Lease(kind, name, limit, on_lost)
        try:
            await self._sink.hold_lease(kind, name, lease.id, limit)
        except LimitExceeded:
            raise
        except BaseException:  # whoever asked has left, or does not know: nobody may be kept out by it
            self._tasks.start(self._give_back(lease), "release")
            raise
        self._held.add(lease)
        return lease

    def release(self, lease: Lease) -> None:
        """Without waiting; one that is not held any more is fine."""
        if lease in self._held:
            self._held.discard(lease)
            self._tasks.start(self._give_back(lease), "release")

    async def run(self, started: Callable[[], None]) -> None:
        started()
        try:
            while True:
                await asyncio.sleep(self._renew_every)
                for lease in tuple(self._held):
                    await self._renew(lease)
        finally:
            for lease in tuple(self._held):
                self.release(lease)
            await self._tasks.close(grace=_PARTING)

    async def _renew(self, lease: Lease) -> None:
        if lease not in self._held:
            return
        try:
            await self._sink.hold_lease(lease.kind, lease.name, lease.id, lease.limit)
        except LimitExceeded:
            self._held.discard(lease)
            lease.on_lost(f"your roles limit connections to {lease.limit} at once, and others took their places")
        except (TeleportError, OSError, TimeoutError) as error:
            log.warning("a lease could not be renewed yet", kind=lease.kind, user=lease.name, error=error)
        if lease not in self._held:  # it was released meanwhile, and the renewal came after
            self._tasks.start(self._give_back(lease), "release")

    async def _give_back(self, lease: Lease) -> None:
        with contextlib.suppress(TeleportError, OSError, TimeoutError):  # it expires by itself
            await self._sink.release_lease(lease.kind, lease.name, lease.id)
