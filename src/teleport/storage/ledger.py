"""What operations do, decided without touching storage: conditions against heads of keys, then the changes made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from teleport.foundation.errors import AlreadyExists, NotFound, RevisionConflict
from teleport.storage.backend import Check, Create, Delete, Extend, ItemChange, Operation, Put, Swap


class Head(Struct, frozen=True):
    """What a decision needs to know of an item that is kept, expired or not."""

    revision: int
    expires: datetime | None

    def is_live(self, now: datetime) -> bool:
        return self.expires is None or self.expires > now


class Ledger:
    """A batch of transactions over known heads, at one moment. A refused transaction leaves it as it was.

    `changes` in order, for watchers and the change log; `final` what to write per key (a deletion has op "delete");
    `extended` keys whose expiry alone moves.
    """

    def __init__(self, heads: dict[str, Head], revision: int, now: datetime) -> None:
        self.heads = heads
        self.revision = revision
        self.changes: list[ItemChange] = []
        self.final: dict[str, ItemChange] = {}
        self.extended: dict[str, datetime] = {}
        self._now = now

    def learn(self, heads: dict[str, Head]) -> None:
        """Heads as kept before this batch, for keys that no transaction of it named."""
        for key, head in heads.items():
            if key not in self.final:
                self.heads.setdefault(key, head)

    def transact(self, operations: Sequence[Operation]) -> list[int]:
        """Raises what the first refused operation asks for. The keys are distinct."""
        for operation in operations:
            _require(operation, self._live(operation.key))
        return [self._perform(operation) for operation in operations]

    def delete_range(self, start: str, end: str) -> int:
        """Every live key of that range among the heads."""
        keys = sorted(key for key in self.heads if start <= key < end and self._live(key) is not None)
        for key in keys:
            self._delete(key)
        return len(keys)

    def sweep(self, keys: Iterable[str]) -> int:
        """Delete those of the keys that are there and expired."""
        expired = [key for key in keys if key in self.heads and not self.heads[key].is_live(self._now)]
        for key in expired:
            self._delete(key)
        return len(expired)

    def _live(self, key: str) -> Head | None:
        head = self.heads.get(key)
        return head if head is not None and head.is_live(self._now) else None

    def _perform(self, operation: Operation) -> int:
        if isinstance(operation, Create | Put | Swap):
            return self._write(operation.key, operation.value, operation.expires)
        if isinstance(operation, Delete):
            return self._delete(operation.key)
        if isinstance(operation, Extend):
            self._extend(operation.key, operation.expires)
        head = self.heads.get(operation.key)
        return head.revision if head is not None else 0

    def _write(self, key: str, value: bytes, expires: datetime | None) -> int:
        self.revision += 1
        self.heads[key] = Head(self.revision, expires)
        self._record(ItemChange(self.revision, key, "put", value, expires))
        return self.revision

    def _delete(self, key: str) -> int:
        self.revision += 1
        del self.heads[key]
        self._record(ItemChange(self.revision, key, "delete"))
        return self.revision

    def _record(self, change: ItemChange) -> None:
        self.changes.append(change)
        self.final[change.key] = change
        self.extended.pop(change.key, None)

    def _extend(self, key: str, expires: datetime) -> None:
        self.heads[key] = Head(self.heads[key].revision, expires)
        self.extended[key] = expires


def _require(operation: Operation, head: Head | None) -> None:
    if isinstance(operation, Put):
        return
    if isinstance(operation, Create) or (isinstance(operation, Check) and operation.revision is None):
        if head is not None:
            raise AlreadyExists(f"{operation.key} already exists")
        return
    if head is None:
        raise NotFound(f"{operation.key} is not found")
    wanted = None if isinstance(operation, Extend) else operation.revision
    if wanted is not None and wanted != head.revision:
        raise RevisionConflict(
            f"{operation.key} was changed: it is at revision {head.revision}, not {wanted}; read it again"
        )


def last_per_key(changes: Sequence[ItemChange]) -> list[ItemChange]:
    """The changes that no later one to the same key has overtaken, in order."""
    last = {change.key: change.revision for change in changes}
    return [change for change in changes if last[change.key] == change.revision]
