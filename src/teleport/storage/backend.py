"""What every backend promises: ordered items with revisions, all-or-nothing writes, expiry, and a watch of changes.

A write that returned has been kept: it survives the end of the process, and of the machine where the backend says so.
Every change gets its own revision; revisions only grow. Keys are compared as their UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from teleport.foundation.errors import BadParameter, LimitExceeded

MAX_KEY_BYTES = 1024
MAX_VALUE_BYTES = 1024 * 1024
MAX_OPERATIONS = 128


class Item(Struct, frozen=True):
    """One value as it is kept. `expires` None: until deleted."""

    key: str
    value: bytes
    revision: int
    expires: datetime | None = None


class ItemChange(Struct, frozen=True):
    """What a watcher is told. A deletion carries an empty value; `expires` belongs to a put."""

    revision: int
    key: str
    op: Literal["put", "delete"]
    value: bytes = b""
    expires: datetime | None = None


class Gap(Struct, frozen=True):
    """Changes were missed. List everything again, then watch after `revision`, which was current before the list."""

    revision: int


class Create(Struct, frozen=True):
    """Write if the key is absent. Raises AlreadyExists."""

    key: str
    value: bytes
    expires: datetime | None = None


class Put(Struct, frozen=True):
    """Write whatever is there."""

    key: str
    value: bytes
    expires: datetime | None = None


class Swap(Struct, frozen=True):
    """Write only if unchanged since read at `revision`, with None if it is there at all.

    Raises NotFound, RevisionConflict.
    """

    key: str
    value: bytes
    revision: int | None
    expires: datetime | None = None


class Delete(Struct, frozen=True):
    """Remove; with `revision` only if unchanged since. Raises NotFound, RevisionConflict."""

    key: str
    revision: int | None = None


class Extend(Struct, frozen=True):
    """Move the expiry and nothing else: no new revision, nobody is told. Raises NotFound."""

    key: str
    expires: datetime


class Check(Struct, frozen=True):
    """Writes nothing. Requires the key to have `revision`, or with None to be absent.

    Raises RevisionConflict, NotFound, or AlreadyExists where absence was required.
    """

    key: str
    revision: int | None


Operation = Create | Put | Swap | Delete | Extend | Check


class Watch(Protocol):
    """Changes in the order of their revisions, none twice and none left out; after a Gap it ends.

    Of several changes that one key saw before the watch began, only the last may be told. Raises Unavailable when
    the backend was closed or lost.
    """

    def __aiter__(self) -> AsyncIterator[ItemChange | Gap]: ...

    async def __anext__(self) -> ItemChange | Gap: ...

    def close(self) -> None:
        """End it. Who waits in it is released."""


class Backend(Protocol):
    """Where cluster state is kept.

    Any method raises Unavailable when the storage cannot be used (disk full, input or output error, closed);
    then nothing of the call was kept. An expired item is absent for every call, also before it was swept.
    """

    async def transact(self, operations: Sequence[Operation]) -> list[int]:
        """All or nothing, each key at most once; one revision per operation (for Check and Extend the item's).

        Raises what the first refused operation raises, BadParameter, LimitExceeded (value above 1 MiB).
        """
        ...

    async def get(self, key: str) -> Item:
        """Raises NotFound."""
        ...

    async def range(self, start: str, end: str, limit: int = 0) -> list[Item]:
        """Items with start <= key < end in order of their keys, at most `limit` (0: all)."""
        ...

    async def delete_range(self, start: str, end: str) -> int:
        """Remove all items with start <= key < end at once; how many there were."""
        ...

    async def revision(self) -> int:
        """The revision of the last change. List after asking for it, then watch after it: nothing is missed."""
        ...

    def watch(self, prefix: str = "", after_revision: int | None = None) -> Watch:
        """Changes to keys with `prefix`, after that revision or from this call on."""
        ...

    async def sweep(self) -> int:
        """Delete what has expired, telling watchers; how many. It happens by itself about once a second."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, release files and watchers. May be called twice."""
        ...

    async def create(self, key: str, value: bytes, *, expires: datetime | None = None) -> int:
        """Write if absent; its revision. Raises AlreadyExists."""
        return (await self.transact((Create(key, value, expires),)))[0]

    async def put(self, key: str, value: bytes, *, expires: datetime | None = None) -> int:
        """Write whatever is there; its revision."""
        return (await self.transact((Put(key, value, expires),)))[0]

    async def swap(self, key: str, value: bytes, revision: int, *, expires: datetime | None = None) -> int:
        """Write only if unchanged since read. Raises NotFound, RevisionConflict."""
        return (await self.transact((Swap(key, value, revision, expires),)))[0]

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Remove; with `revision` only if unchanged since. Raises NotFound, RevisionConflict."""
        await self.transact((Delete(key, revision),))

    async def keep_alive(self, key: str, expires: datetime) -> None:
        """Move the expiry of an item that is still there. Raises NotFound once it has expired."""
        await self.transact((Extend(key, expires),))


def end_of(prefix: str) -> str:
    """The first key behind all keys that begin with `prefix`, for use as the end of a range."""
    return prefix + "\U0010ffff"


def check_operations(operations: Sequence[Operation]) -> None:
    """The limits that hold for every backend. Raises BadParameter, LimitExceeded."""
    if not operations:
        raise BadParameter("a transaction needs at least one operation")
    if len(operations) > MAX_OPERATIONS:
        raise LimitExceeded(f"a transaction of {len(operations)} operations is above the limit of {MAX_OPERATIONS}")
    for operation in operations:
        _check_operation(operation)
    if len(operations) > 1 and len({operation.key for operation in operations}) != len(operations):
        raise BadParameter("a transaction names the same key twice")


def _check_operation(operation: Operation) -> None:
    check_key(operation.key)
    if isinstance(operation, Create | Put | Swap) and len(operation.value) > MAX_VALUE_BYTES:
        raise LimitExceeded(
            f"{operation.key}: the value has {len(operation.value)} bytes, the limit is {MAX_VALUE_BYTES}"
        )
    expires = getattr(operation, "expires", None)
    if isinstance(expires, datetime) and expires.tzinfo is None:
        raise BadParameter(f"{operation.key}: the expiry has no time zone")


def check_key(key: str) -> None:
    """Raises BadParameter for a key that is empty, too long, or no plain text."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise BadParameter("a key has characters that are no text") from error
    if not 0 < size <= MAX_KEY_BYTES or "\0" in key:
        raise BadParameter(f"a key has {size} bytes, expected 1 to {MAX_KEY_BYTES} and no zero character")
