"""The backend in one SQLite file, for a single auth server. Writes share commits in one thread, reads are inline.

With synchronous FULL a write that returned survives the loss of power, with NORMAL the end of the process only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from teleport.foundation.clock import Clock
from teleport.foundation.errors import NotFound, TeleportError, Unavailable
from teleport.storage.backend import Backend, Gap, Item, ItemChange, Operation, Watch, check_operations
from teleport.storage.backends.sqlite_file import (
    Synchronous,
    as_unavailable,
    from_microseconds,
    microseconds,
    open_reader,
    open_writer,
)
from teleport.storage.backends.sqlite_tables import Tables, changes_after
from teleport.storage.group_commit import GroupCommit
from teleport.storage.ledger import Ledger, last_per_key
from teleport.storage.sweeping import Sweeper
from teleport.storage.watching import Watchers

_RETAINED_CHANGES = 10_000
_SWEPT_AT_ONCE = 1000


class _Transaction(Struct, frozen=True):
    operations: Sequence[Operation]


class _RangeDeletion(Struct, frozen=True):
    start: str
    end: str


class _Sweep(Struct, frozen=True):
    """Delete what has expired; also makes the writer notice what another process wrote."""


_Job = _Transaction | _RangeDeletion | _Sweep


class SqliteBackend(Backend):
    """Opened by `open`. Other processes may write the same file: their changes are told within about a second."""

    def __init__(
        self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, clock: Clock, retained_changes: int
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._tables = Tables(writer, retained_changes)
        self._told = self._tables.revision()
        self._foreign: list[ItemChange] | Gap = []
        self._ledger = Ledger({}, self._told, clock.now())
        self._watchers = Watchers()
        self._is_closed = False
        self._commits: GroupCommit[_Job, list[int]] = GroupCommit(
            "sqlite-writer", self._stage, self._commit, self._settle
        )
        self._sweeper = Sweeper(self.sweep)

    @classmethod
    async def open(
        cls,
        directory: Path,
        clock: Clock,
        *,
        synchronous: Synchronous = "FULL",
        retained_changes: int = _RETAINED_CHANGES,
    ) -> SqliteBackend:
        """Creates the directory (0700) and `sqlite.db` in it (0600) as needed. Raises Unavailable, Unsupported."""
        path = directory / "sqlite.db"
        writer = open_writer(path, synchronous)
        try:
            return cls(path, writer, open_reader(path), clock, retained_changes)
        except sqlite3.Error as error:
            writer.close()
            raise as_unavailable(path, error) from error

    async def transact(self, operations: Sequence[Operation]) -> list[int]:
        check_operations(operations)
        return await self._commits.submit(_Transaction(operations))

    async def delete_range(self, start: str, end: str) -> int:
        return (await self._commits.submit(_RangeDeletion(start, end)))[0]

    async def sweep(self) -> int:
        swept = 0
        while self._has_expired() or self._current_revision() != self._told:
            count = (await self._commits.submit(_Sweep()))[0]
            swept += count
            if count < _SWEPT_AT_ONCE:
                break
        return swept

    async def get(self, key: str) -> Item:
        sql = "select key, value, revision, expires from items where key = ? and (expires is null or expires > ?)"
        rows = self._read(sql, (key, microseconds(self._clock.now())))
        if not rows:
            raise NotFound(f"{key} is not found")
        return _item(*rows[0])

    async def range(self, start: str, end: str, limit: int = 0) -> list[Item]:
        sql = (
            "select key, value, revision, expires from items"
            " where key >= ? and key < ? and (expires is null or expires > ?) order by key limit ?"
        )
        rows = self._read(sql, (start, end, microseconds(self._clock.now()), limit or -1))
        return [_item(*row) for row in rows]

    async def revision(self) -> int:
        return self._current_revision()

    def watch(self, prefix: str = "", after_revision: int | None = None) -> Watch:
        current = self._current_revision()
        if after_revision is None or after_revision == current:
            return self._watchers.begin(prefix, current)
        if after_revision > current:
            return self._watchers.begin_with_gap(current)
        missed = self._changes_after(after_revision)
        if not _is_complete(missed, after_revision):
            return self._watchers.begin_with_gap(current)
        return self._watchers.begin(prefix, after_revision, last_per_key(missed))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._sweeper.close()
        await self._commits.close()
        self._watchers.close()
        self._reader.close()
        self._writer.close()  # last: it folds the write-ahead log into the file

    def _has_expired(self) -> bool:
        sql = "select exists(select 1 from items where expires <= ?)"
        return bool(self._read(sql, (microseconds(self._clock.now()),))[0][0])

    def _current_revision(self) -> int:
        return int(self._read("select coalesce(max(revision), 0) from changes")[0][0])

    def _changes_after(self, revision: int) -> list[ItemChange]:
        try:
            return changes_after(self._reader, revision)
        except sqlite3.Error as error:
            raise as_unavailable(self._path, error) from error

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        if self._is_closed:
            raise Unavailable("the backend is closed")
        try:
            return self._reader.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise as_unavailable(self._path, error) from error

    def _stage(self, jobs: list[_Job]) -> list[list[int] | TeleportError]:
        try:
            self._tables.begin()
            self._foreign = self._foreign_changes()
            self._ledger = self._ledger_for(jobs)
            outcomes = [self._outcome(self._ledger, job) for job in jobs]
            self._tables.write(self._ledger)
        except sqlite3.Error as error:
            raise as_unavailable(self._path, error) from error
        return outcomes

    def _commit(self) -> None:
        """In the thread of the group commit."""
        try:
            self._tables.commit()
        except sqlite3.Error as error:
            raise as_unavailable(self._path, error) from error

    def _settle(self, failure: TeleportError | None) -> None:
        if failure is not None:
            self._tables.roll_back()
            return
        if isinstance(self._foreign, Gap):
            self._watchers.fall_behind(self._foreign.revision)
        else:
            self._watchers.publish(self._foreign)
        self._watchers.publish(self._ledger.changes)
        self._told = self._ledger.revision

    def _foreign_changes(self) -> list[ItemChange] | Gap:
        """What another process wrote since our last commit."""
        current = self._tables.revision()
        if current == self._told:
            return []
        changes = changes_after(self._writer, self._told)
        return last_per_key(changes) if _is_complete(changes, self._told) else Gap(current)

    def _ledger_for(self, jobs: list[_Job]) -> Ledger:
        keys = [operation.key for job in jobs if isinstance(job, _Transaction) for operation in job.operations]
        heads = self._tables.heads(keys) if keys else {}
        return Ledger(heads, self._tables.revision(), self._clock.now())

    def _outcome(self, ledger: Ledger, job: _Job) -> list[int] | TeleportError:
        try:
            if isinstance(job, _Transaction):
                return ledger.transact(job.operations)
            if isinstance(job, _RangeDeletion):
                ledger.learn(self._tables.heads_between(job.start, job.end))
                return [ledger.delete_range(job.start, job.end)]
            expired = self._tables.heads_expired(self._clock.now(), _SWEPT_AT_ONCE)
            ledger.learn(expired)
            return [ledger.sweep(expired)]
        except TeleportError as error:
            return error


def _is_complete(changes: list[ItemChange], after: int) -> bool:
    """Whether nothing was pruned between `after` and the first of the changes; revisions have no holes."""
    return bool(changes) and changes[0].revision == after + 1


def _item(key: str, value: bytes, revision: int, expires: int | None) -> Item:
    return Item(key, value, revision, None if expires is None else from_microseconds(expires))
