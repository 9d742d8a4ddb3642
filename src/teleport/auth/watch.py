"""The stream of changes for one caller: only kinds it may read, only resources it may see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from teleport.api.messages import address_name
from teleport.api.routes.changes import ChangeLine, Watch
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.listing import known_kind, read_verb
from teleport.auth.showing import encoded
from teleport.foundation.errors import BadParameter
from teleport.model.kinds import Kind
from teleport.model.resource import Resource
from teleport.policy import access
from teleport.policy.actions import ActionContext
from teleport.storage.backend import Gap
from teleport.storage.feed import Change

MAX_KINDS = 50


class Watching:
    """Snapshots and changes, as lines."""

    def __init__(self, cluster: Cluster, guard: Guard) -> None:
        self._cluster = cluster
        self._guard = guard

    async def watch(self, caller: Caller, request: Watch) -> AsyncIterator[ChangeLine]:
        """Raises AccessDenied for the first kind that the caller may not read."""
        if not 0 < len(request.kinds) <= MAX_KINDS:
            raise BadParameter(f"name 1 to {MAX_KINDS} kinds to watch")
        kinds = [known_kind(name) for name in request.kinds]
        for kind in kinds:
            for verb in ("list", read_verb(kind)):
                await self._guard.enforce(caller, self._guard.may_list(caller, verb, kind.name))
        return self._lines(caller, {kind.name: kind for kind in kinds}, request.after)

    async def _lines(self, caller: Caller, kinds: dict[str, Kind], after: int) -> AsyncIterator[ChangeLine]:
        if after and caller.is_person:
            # what this person was told before is not known here, and an end is told of nothing else
            yield ChangeLine(type="gap", position=after)
            return
        position = after or await self._cluster.store.backend.revision()
        # subscribed before anything is read, so that no change falls between the snapshot and the stream
        subscription = self._cluster.feed.subscribe(kinds, position)
        told: set[tuple[str, str]] = set()
        try:
            if not after:
                async for line in self._snapshot(caller, kinds):
                    told.add((line.kind, line.name))
                    yield line
                yield ChangeLine(type="ready", position=position)
            async for change in subscription:
                yield self._line(caller, kinds, change, told)
                if isinstance(change, Gap):
                    return
        finally:
            subscription.close()

    async def _snapshot(self, caller: Caller, kinds: dict[str, Kind]) -> AsyncIterator[ChangeLine]:
        for kind in kinds.values():
            async for resource in self._cluster.store.iterate(kind.type):
                if self._may_see(caller, kind, resource):
                    yield _item("item", kind, resource, 0)

    def _line(
        self, caller: Caller, kinds: dict[str, Kind], change: Change | Gap, told: set[tuple[str, str]]
    ) -> ChangeLine:
        if isinstance(change, Gap):
            return ChangeLine(type="gap", position=change.revision)
        kind, key = kinds[change.kind], (change.kind, change.name)
        if change.resource is not None and self._may_see(caller, kind, change.resource):
            told.add(key)
            return _item("put", kind, change.resource, change.revision)
        # deleted, or changed so that it is seen no more: told to hosts, and to whoever was told of it before
        if caller.is_person and key not in told:
            return ChangeLine(type="current", position=change.revision)
        told.discard(key)
        return ChangeLine(type="delete", kind=kind.name, name=_name(kind, change.name), position=change.revision)

    def _may_see(self, caller: Caller, kind: Kind, resource: Resource) -> bool:
        context = ActionContext(resource=resource)
        if not self._guard.allows(caller, read_verb(kind), kind.name, context):
            return False
        return caller.role_set is None or access.visible(caller.role_set, resource)


def _item(word: str, kind: Kind, resource: Resource, position: int) -> ChangeLine:
    body: msgspec.Raw = encoded(resource, with_secrets=False)
    return ChangeLine(type=word, kind=kind.name, name=_name(kind, resource.key), position=position, resource=body)


def _name(kind: Kind, key: str) -> str:
    """An id where the name is a secret."""
    return address_name(kind.type, key)
