"""Typed resources over a backend. What was read carries its revision; an update writes only over what was read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, NotFound, RevisionConflict, TeleportError
from teleport.model.codec import decode_json, encode_json
from teleport.model.resource import Resource
from teleport.storage.backend import Backend, Check, Create, Delete, Extend, Item, Operation, Put, Swap, end_of
from teleport.storage.keys import key_of, label_of, prefix_of

R = TypeVar("R", bound=Resource)

MAX_LIMIT = 1000
_ITERATED_AT_ONCE = 250


class Page(Struct, Generic[R], frozen=True):
    """One page of a list. `next_start` is empty on the last one, else what to pass as `start`."""

    items: list[R]
    next_start: str = ""


class CreateOf(Struct, frozen=True):
    """Raises AlreadyExists."""

    resource: Resource


class UpsertOf(Struct, frozen=True):
    """Create or replace."""

    resource: Resource


class UpdateOf(Struct, frozen=True):
    """Write over what was read. Raises BadParameter without a revision, NotFound, RevisionConflict."""

    resource: Resource


class OverwriteOf(Struct, frozen=True):
    """Replace, whatever its revision. Raises NotFound."""

    resource: Resource


class DeleteOf(Struct, frozen=True):
    """Raises NotFound, and RevisionConflict where a revision is given."""

    kind: type[Resource]
    name: str
    revision: str = ""


class RequireOf(Struct, frozen=True):
    """Writes nothing: that revision must be there, or with "" nothing. Raises as DeleteOf, or AlreadyExists."""

    kind: type[Resource]
    name: str
    revision: str


Write = CreateOf | UpsertOf | UpdateOf | OverwriteOf | DeleteOf | RequireOf


class Store:
    """Resources by type and name. The name is what `Resource.key` says: `<type>/<cluster>` for authorities.

    It keeps what it is given: who lets people write calls `check()` before. Messages name `kind/name`.
    """

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    @property
    def backend(self) -> Backend:
        return self._backend

    async def get(self, kind: type[R], name: str) -> R:
        """Raises NotFound, naming kind and name."""
        key = key_of(kind, name)
        try:
            item = await self._backend.get(key)
        except NotFound as error:
            raise _reworded(error, {key: label_of(kind, name)}) from None
        return read_resource(kind, item)

    async def find(self, kind: type[R], name: str) -> R | None:
        try:
            return await self.get(kind, name)
        except NotFound:
            return None

    async def get_singleton(self, kind: type[R]) -> R:
        """The one resource of a kind of which a cluster has one. Raises NotFound."""
        return await self.get(kind, kind.SINGLETON)

    async def list(self, kind: type[R], limit: int = 500, start: str = "") -> Page[R]:
        """In order of names, from `start` on. Raises BadParameter for a limit outside 1 to 1000."""
        if not 0 < limit <= MAX_LIMIT:
            raise BadParameter(f"limit is {limit}, expected 1 to {MAX_LIMIT}")
        prefix = prefix_of(kind)
        items = await self._backend.range(prefix + start, end_of(prefix), limit + 1)
        next_start = items[limit].key.removeprefix(prefix) if len(items) > limit else ""
        return Page([read_resource(kind, item) for item in items[:limit]], next_start)

    async def iterate(self, kind: type[R], page_size: int = _ITERATED_AT_ONCE) -> AsyncIterator[R]:
        """All of a kind in order of names; what is written meanwhile may or may not be among them."""
        start = ""
        while True:
            page = await self.list(kind, page_size, start)
            for resource in page.items:
                yield resource
            if not page.next_start:
                return
            start = page.next_start
            await asyncio.sleep(0)  # a long list must not hold up everybody else

    async def create(self, resource: R) -> R:
        """Returned with its revision, the argument stays as it is. Raises AlreadyExists."""
        return await self._write(CreateOf(resource), resource)

    async def upsert(self, resource: R) -> R:
        """Create or replace, whatever revision is there."""
        return await self._write(UpsertOf(resource), resource)

    async def update(self, resource: R) -> R:
        """Write only if unchanged since read. Raises BadParameter without a revision, NotFound, RevisionConflict."""
        return await self._write(UpdateOf(resource), resource)

    async def overwrite(self, resource: R) -> R:
        """Replace an existing resource whatever its revision. Raises NotFound."""
        return await self._write(OverwriteOf(resource), resource)

    async def delete(self, kind: type[Resource], name: str, revision: str = "") -> None:
        """Raises NotFound; with a revision also RevisionConflict."""
        await self.transact([DeleteOf(kind, name, revision)])

    async def delete_all(self, kind: type[Resource]) -> int:
        """Every resource of a kind; how many there were."""
        prefix = prefix_of(kind)
        return await self._backend.delete_range(prefix, end_of(prefix))

    async def keep_alive(self, kind: type[Resource], name: str, expires: datetime) -> None:
        """Move the expiry only; revision and watchers stay as they are. Raises NotFound."""
        await self._transact([Extend(key_of(kind, name), expires)], {key_of(kind, name): label_of(kind, name)})

    async def transact(self, writes: Sequence[Write]) -> Sequence[Resource]:
        """All or nothing over several resources; those written, with their revisions, in order.

        Raises what the first refused write raises.
        """
        labels = {_key(write): _label(write) for write in writes}
        revisions = await self._transact([_operation(write) for write in writes], labels)
        return [
            _with_revision(write.resource, str(revision))
            for write, revision in zip(writes, revisions, strict=True)
            if not isinstance(write, DeleteOf | RequireOf)
        ]

    async def _write(self, write: CreateOf | UpsertOf | UpdateOf | OverwriteOf, resource: R) -> R:
        revisions = await self._transact([_operation(write)], {_key(write): _label(write)})
        return _with_revision(resource, str(revisions[0]))

    async def _transact(self, operations: Sequence[Operation], labels: dict[str, str]) -> Sequence[int]:
        try:
            return await self._backend.transact(operations)
        except TeleportError as error:
            raise _reworded(error, labels) from error


def read_resource(kind: type[R], item: Item) -> R:
    """The resource that an item holds, with its revision and expiry. Raises BadParameter."""
    resource = decode_json(item.value, kind)
    resource.metadata.revision = str(item.revision)
    resource.metadata.expires = item.expires  # it may have been extended since the value was written
    return resource


def _with_revision(resource: R, revision: str) -> R:
    metadata = msgspec.structs.replace(resource.metadata, revision=revision)
    return msgspec.structs.replace(resource, metadata=metadata)


def _target(write: Write) -> tuple[type[Resource], str]:
    if isinstance(write, DeleteOf | RequireOf):
        return write.kind, write.name
    return type(write.resource), write.resource.key


def _key(write: Write) -> str:
    return key_of(*_target(write))


def _label(write: Write) -> str:
    return label_of(*_target(write))


def _operation(write: Write) -> Operation:
    key = _key(write)
    if isinstance(write, DeleteOf):
        return Delete(key, _revision(write.revision, write) if write.revision else None)
    if isinstance(write, RequireOf):
        return Check(key, _revision(write.revision, write) if write.revision else None)
    # the revision is the item's, not a part of the value
    value, expires = encode_json(_with_revision(write.resource, "")), write.resource.metadata.expires
    if isinstance(write, CreateOf):
        return Create(key, value, expires)
    if isinstance(write, UpsertOf):
        return Put(key, value, expires)
    is_update = isinstance(write, UpdateOf)
    return Swap(key, value, _revision(write.resource.metadata.revision, write) if is_update else None, expires)


def _revision(text: str, write: Write) -> int:
    if not text:
        raise BadParameter(f"{_label(write)}: an update needs the revision that was read; read it and try again")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RevisionConflict(f"{_label(write)} was changed: it never had revision {text[:40]!r}; read it again")
    return int(text)


def _reworded(error: TeleportError, labels: dict[str, str]) -> TeleportError:
    message = error.message
    for key, label in labels.items():
        message = message.replace(key, label)
    return type(error)(message, event_id=error.event_id)
