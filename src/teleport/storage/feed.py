"""One backend watch told to many subscribers. A slow subscriber misses changes, is told so, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Literal

from msgspec import Struct

from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.storage.backend import Backend, Gap, Item, ItemChange, Watch
from teleport.storage.keys import kind_and_name
from teleport.storage.mailbox import Mailbox
from teleport.storage.store import Store, read_resource

log = get_logger("feed")

_REPLAY = 8192
_QUEUE = 4096
_CURRENT_EVERY = 10.0


class Change(Struct, frozen=True):
    """A resource was written (`resource` is what is there now, not to be changed) or deleted.

    `name` as the Store names it: `Resource.key`.
    """

    revision: int
    kind: str
    name: str
    op: Literal["put", "delete"]
    resource: Resource | None = None


class Snapshot(Struct, frozen=True):
    """All resources of the asked kinds; it contains at least every change up to `revision`."""

    revision: int
    resources: tuple[Resource, ...]


class Current(Struct, frozen=True):
    """The source is alive, and has told everything up to `revision`."""

    revision: int


Message = Snapshot | Change | Gap | Current


class Subscription:
    """Changes in order, for one reader; ends after a Gap. Leave it by `close()`."""

    def __init__(self, owner: Subscribers, kinds: frozenset[str], after: int, queue: int) -> None:
        self._owner = owner
        self._kinds = kinds
        self._after = after
        self._mailbox: Mailbox[Change | Gap] = Mailbox(queue)

    def __aiter__(self) -> AsyncIterator[Change | Gap]:
        return self

    async def __anext__(self) -> Change | Gap:
        return await self._mailbox.take()

    def close(self) -> None:
        """End it. Who waits in it is released."""
        self._owner.forget(self)
        self._mailbox.discard()
        self._mailbox.end()

    def offer(self, change: Change, *, is_replay: bool = False) -> None:
        if change.revision > self._after and change.kind in self._kinds:
            self._mailbox.put(change)
            if self._mailbox.is_overfull and not is_replay:
                self.fall_behind(change.revision)

    def fall_behind(self, revision: int) -> None:
        self._owner.forget(self)
        self._mailbox.end_with(Gap(revision))


class Subscribers:
    """Who is told. Used on the event loop only."""

    def __init__(self, queue: int = _QUEUE) -> None:
        self._queue = queue
        self._open: set[Subscription] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, kinds: Iterable[str], after: int = -1) -> Subscription:
        """To these kinds; none named: all that hold no secrets."""
        wanted = frozenset(kinds) or frozenset(kind.name for kind in KINDS.values() if not kind.secret)
        subscription = Subscription(self, wanted, after, self._queue)
        self._open.add(subscription)
        return subscription

    def publish(self, change: Change) -> None:
        for subscription in tuple(self._open):
            subscription.offer(change)

    def fall_behind(self, revision: int) -> None:
        for subscription in tuple(self._open):
            subscription.fall_behind(revision)

    def forget(self, subscription: Subscription) -> None:
        self._open.discard(subscription)


class Feed:
    """A service: run it beside the backend. `ready` is set once it watches."""

    name = "feed"

    def __init__(self, backend: Backend, *, replay: int = _REPLAY, queue: int = _QUEUE) -> None:
        self._backend = backend
        self._recent: deque[Change] = deque()
        self._most_recent = replay
        self._floor = 0  # `_recent` holds every change after this revision
        self._revision = 0
        self._subscribers = Subscribers(queue)
        self.ready = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        backoff = Backoff()
        self._begin_after(await self._backend.revision())
        self.ready.set()
        started()
        while True:
            watch: Watch | None = None
            try:
                watch = self._backend.watch(after_revision=self._revision)
                async for message in watch:
                    self._take(message)
                    backoff.reset()
            except TeleportError as error:
                log.warning("the watch of the backend was lost, trying again", error=error)
                await asyncio.sleep(backoff.next_delay())
            finally:
                if watch is not None:
                    watch.close()

    @property
    def revision(self) -> int:
        """The last revision that was told to all."""
        return self._revision

    @property
    def subscriber_count(self) -> int:
        return len(self._subscribers)

    def subscribe(self, kinds: Iterable[str] = (), after: int | None = None) -> Subscription:
        """Changes to these kinds after that revision, or from now on. None named: all that hold no secrets.

        What is no longer kept for replay is answered with a Gap at once.
        """
        subscription = self._subscribers.add(kinds, self._revision if after is None else after)
        if after is not None and (after < self._floor or not self.ready.is_set()):
            subscription.fall_behind(self._revision)
        elif after is not None and after < self._revision:
            for change in self._recent:
                subscription.offer(change, is_replay=True)
        return subscription

    def _begin_after(self, revision: int) -> None:
        self._recent.clear()
        self._floor = self._revision = revision

    def _take(self, message: ItemChange | Gap) -> None:
        if isinstance(message, Gap):
            self._lose(message.revision)
            return
        try:
            change = _typed(message)
        except TeleportError as error:
            kind, _ = kind_and_name(message.key) or ("", "")  # not the name: a token's is secret
            log.error("a change cannot be read, who follows has to list again", kind=kind, error=error)
            self._lose(message.revision)
            return
        self._revision = message.revision
        if change is not None:
            self._recent.append(change)
            if len(self._recent) > self._most_recent:
                self._floor = self._recent.popleft().revision
            self._subscribers.publish(change)

    def _lose(self, revision: int) -> None:
        self._begin_after(revision)
        self._subscribers.fall_behind(revision)


def _typed(change: ItemChange) -> Change | None:
    found = kind_and_name(change.key)
    if found is None:
        return None
    kind, name = found
    if change.op == "delete":
        return Change(change.revision, kind, name, "delete")
    item = Item(change.key, change.value, change.revision, change.expires)
    return Change(change.revision, kind, name, "put", read_resource(KINDS[kind].type, item))


async def local_source(store: Store, feed: Feed, kinds: Iterable[str]) -> AsyncIterator[Message]:
    """What a Replica in the same process feeds on: a snapshot, then changes; again after each gap, for ever."""
    names = tuple(kinds)
    await feed.ready.wait()
    while True:
        revision = await store.backend.revision()
        subscription = feed.subscribe(names, after=revision)
        try:
            resources = [resource for name in names async for resource in store.iterate(KINDS[name].type)]
            yield Snapshot(revision, tuple(resources))
            async for message in _with_signs_of_life(subscription, feed):
                yield message
        finally:
            subscription.close()


async def _with_signs_of_life(subscription: Subscription, feed: Feed) -> AsyncIterator[Message]:
    while True:
        message: Change | Gap | Current | None
        try:
            async with asyncio.timeout(_CURRENT_EVERY):
                message = await anext(subscription, None)
        except TimeoutError:
            message = Current(feed.revision)
        if message is None:
            return
        yield message
