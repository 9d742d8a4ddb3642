"""A read-only copy of some kinds, kept fresh from a source; kept on disk too, a restart survives its absence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, NotFound, TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.foundation.service import TaskOwner
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.storage import replica_file
from teleport.storage.backend import Gap
from teleport.storage.feed import Change, Message, Snapshot, Subscribers, Subscription
from teleport.storage.keys import label_of
from teleport.storage.replica_index import Indexes

log = get_logger("replica")

R = TypeVar("R", bound=Resource)
Arguments = TypeVarTuple("Arguments")
Source = Callable[[], AsyncIterator[Message]]
"""Called again after it ended or failed; what it gives begins with a Snapshot."""

_CHANGES_KEPT = 8192
_SAVE_EVERY = 5.0
_SAVE_UNCHANGED_AFTER = timedelta(minutes=5)


class _Shelf:
    """The resources of one kind."""

    def __init__(self, kind: str) -> None:
        self.by_name: dict[str, Resource] = {}
        self.indexes = Indexes(kind)
        self._in_order: tuple[Resource, ...] | None = ()
        self._changed: deque[str] = deque(maxlen=_CHANGES_KEPT)
        self._changes = 0

    def changed_since(self, mark: int) -> tuple[int, Collection[str] | None]:
        missing = self._changes - mark
        if mark < 0 or missing > len(self._changed):
            return self._changes, None
        return self._changes, dict.fromkeys(islice(reversed(self._changed), missing))

    def put(self, resource: Resource) -> None:
        self.remove(resource.key)
        self.by_name[resource.key] = resource
        self.indexes.add(resource)

    def remove(self, name: str) -> None:
        self._in_order = None
        self._changed.append(name)
        self._changes += 1
        if (old := self.by_name.pop(name, None)) is not None:
            self.indexes.remove(old)

    def in_order(self) -> tuple[Resource, ...]:
        if self._in_order is None:
            self._in_order = tuple(self.by_name[name] for name in sorted(self.by_name))
        return self._in_order


class Replica:
    """A service that answers from memory and never waits for the network. What it hands out is not to be changed.

    `ready` is set once it holds a snapshot, or what an earlier run kept at `path`. Expired resources leave when the
    source deletes them, so that they stay while it is away: who decides looks at their times.
    """

    name = "replica"

    def __init__(self, kinds: Iterable[str], source: Source, clock: Clock, *, path: Path | None = None) -> None:
        """Raises BadParameter for an unknown kind, or one of secrets that would be kept on disk."""
        self._shelves = {kind: _Shelf(kind) for kind in kinds}
        for kind in self._shelves:
            if kind not in KINDS:
                raise BadParameter(f"kind {kind!r} is not known")
            if path is not None and KINDS[kind].secret:
                raise BadParameter(f"kind {kind!r} holds secrets: a replica does not keep it on disk")
        self._source = source
        self._clock = clock
        self._path = path
        self._revision = 0
        self._heard: datetime | None = None
        self._saved: datetime | None = None
        self._is_changed = False
        self._subscribers = Subscribers()
        self.ready = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        """Follows the source for ever, with back-off between failures. `started` is called when it is ready."""
        self._load()
        tasks = TaskOwner("replica")
        tasks.start(self._call_when_ready(started), "replica-ready")
        if self._path is not None:
            tasks.start(self._save_repeatedly(self._path), "replica-save")
        try:
            await self._follow()
        finally:
            await tasks.close()
            if self._path is not None and self._heard is not None:
                self._try_to_save(self._path, self._heard, self._all())

    @property
    def revision(self) -> int:
        """Everything up to here is in it."""
        return self._revision

    def age(self, now: datetime | None = None) -> timedelta:
        """Time since the source was last heard. Raises Unavailable when nothing was ever received."""
        if self._heard is None:
            raise Unavailable("the copy of the cluster's state has not been received yet")
        return max(timedelta(), (now or self._clock.now()) - self._heard)

    def get(self, kind: type[R], name: str) -> R:
        """Raises NotFound; Unavailable before it is ready; BadParameter for a kind it does not hold."""
        found = self.find(kind, name)
        if found is None:
            raise NotFound(f"{label_of(kind, name)} is not found")
        return found

    def find(self, kind: type[R], name: str) -> R | None:
        """As `get`, but None for what is not there."""
        found = self._shelf(kind).by_name.get(name)
        assert found is None or isinstance(found, kind)
        return found

    def get_singleton(self, kind: type[R]) -> R:
        """Raises as `get`."""
        return self.get(kind, kind.SINGLETON)

    def lookup(self, kind: type[R], index: str, value: str) -> tuple[R, ...]:
        """By secondary index, in order of names: nodes by `hostname` and `uuid`, without regard to case."""
        shelf = self._shelf(kind)
        return _typed(kind, (shelf.by_name[name] for name in shelf.indexes.find(index, value)))

    def changes(self, kinds: Iterable[str] = ()) -> Subscription:
        """Changes from now on, each after it was applied here. After a Gap decide everything again and ask again."""
        return self._subscribers.add(tuple(kinds) or tuple(self._shelves))

    def list(self, kind: type[R]) -> tuple[R, ...]:
        """All of a kind in order of names. Raises as `get`."""
        return _typed(kind, self._shelf(kind).in_order())

    def count(self, kind: type[R]) -> int:
        """Raises as `get`."""
        return len(self._shelf(kind).by_name)

    def changed_since(self, kind: type[R], mark: int) -> tuple[int, Collection[str] | None]:
        """A mark to ask with again, and the names of what was put or deleted since `mark`; -1 is the beginning.

        None where the answer is not known any more: everything may have changed. Raises as `get`.
        """
        return self._shelf(kind).changed_since(mark)

    def _shelf(self, kind: type[Resource]) -> _Shelf:
        shelf = self._shelves.get(kind.KIND)
        if shelf is None:
            raise BadParameter(f"this replica does not hold {kind.KIND}")
        if not self.ready.is_set():
            raise Unavailable("the copy of the cluster's state has not been received yet")
        return shelf

    async def _follow(self) -> None:
        backoff = Backoff()
        while True:
            source = self._source()
            try:
                async for message in source:
                    self._take(message)
                    backoff.reset()
                log.warning("the source of the replica ended, asking it again")
            except (TeleportError, OSError) as error:
                log.warning("the source of the replica is away, trying again", error=error)
            finally:
                if isinstance(source, AsyncGenerator):
                    await source.aclose()
            await asyncio.sleep(backoff.next_delay())

    def _take(self, message: Message) -> None:
        if isinstance(message, Gap):
            return  # it is not current: a snapshot follows
        if isinstance(message, Snapshot):
            self._take_snapshot(message)
        elif isinstance(message, Change) and message.kind in self._shelves and not self._is_stale(message):
            self._apply(message)
        self._revision = max(self._revision, message.revision)
        self._heard = self._clock.now()

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        self._revision = snapshot.revision
        kept = {(resource.kind, resource.key): resource for resource in self._all()}
        for resource in snapshot.resources:
            if resource.kind in self._shelves and kept.pop((resource.kind, resource.key), None) != resource:
                self._apply(Change(snapshot.revision, resource.kind, resource.key, "put", resource))
        for kind, name in kept:
            self._apply(Change(snapshot.revision, kind, name, "delete"))
        self.ready.set()

    def _apply(self, change: Change) -> None:
        shelf = self._shelves[change.kind]
        if change.resource is not None:
            shelf.put(change.resource)
        else:
            shelf.remove(change.name)
        self._is_changed = True
        self._subscribers.publish(change)

    def _is_stale(self, change: Change) -> bool:
        """Whether a snapshot already held something as new: changes it contained are told once more."""
        kept = self._shelves[change.kind].by_name.get(change.name)
        return kept is not None and kept.revision.isdigit() and int(kept.revision) >= change.revision

    def _all(self) -> tuple[Resource, ...]:
        return tuple(resource for shelf in self._shelves.values() for resource in shelf.by_name.values())

    def _load(self) -> None:
        try:
            loaded = replica_file.load(self._path, self._shelves) if self._path is not None else None
        except Unavailable as error:
            log.warning("the kept copy of the cluster's state is not used", error=error)
            return
        if loaded is not None:
            header, resources = loaded
            self._take_snapshot(Snapshot(header.revision, resources))
            self._heard = self._saved = header.heard
            self._is_changed = False

    async def _call_when_ready(self, started: Callable[[], None]) -> None:
        await self.ready.wait()
        started()

    async def _save_repeatedly(self, path: Path) -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY)
            if self._heard is not None and self._is_due_to_save(self._heard):
                self._is_changed = False  # from here on: what changes while the thread writes is for the next time
                await _to_its_end(self._try_to_save, path, self._heard, self._all())

    def _is_due_to_save(self, heard: datetime) -> bool:
        return self._is_changed or self._saved is None or heard - self._saved > _SAVE_UNCHANGED_AFTER

    def _try_to_save(self, path: Path, heard: datetime, resources: tuple[Resource, ...]) -> None:
        try:
            replica_file.save(path, self._revision, heard, self._shelves, resources)
            self._saved = heard
        except OSError as error:
            self._is_changed = True
            log.warning("the copy of the cluster's state cannot be kept on disk", path=path, error=error)


async def _to_its_end(work: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
    """In a thread. Cancelled, it still returns when that is done: nothing else writes the same file meanwhile."""
    working = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise


def _typed(kind: type[R], resources: Iterable[Resource]) -> tuple[R, ...]:
    return tuple(resource for resource in resources if isinstance(resource, kind))
