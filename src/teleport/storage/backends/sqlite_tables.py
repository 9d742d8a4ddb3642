"""The statements of the SQLite writer, few and large: one for a batch, not one for an item."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from teleport.storage.backend import ItemChange
from teleport.storage.backends.sqlite_file import from_microseconds, microseconds
from teleport.storage.ledger import Head, Ledger

_HEADS = "select json_group_array(json_array(key, revision, expires)) from items where "
_UPSERT_ROW = "(?, ?, ?, ?)"
_UPSERT = "insert or replace into items (key, value, revision, expires) values "
_LOG_ROW = "(?, ?, ?)"
_LOG = "insert into changes (revision, key, is_deletion) values "
_ROWS_A_STATEMENT = 500
_PRUNE_EVERY = 500

_heads_decoder = msgspec.json.Decoder(list[tuple[str, int, int | None]])

T = TypeVar("T")


class Tables:
    """Every method but `begin` inside a transaction. One caller at a time."""

    def __init__(self, connection: sqlite3.Connection, retained_changes: int) -> None:
        self._connection = connection
        self._retained = retained_changes

    def begin(self) -> None:
        self._connection.execute("begin immediate")

    def commit(self) -> None:
        self._connection.execute("commit")

    def roll_back(self) -> None:
        # after some errors SQLite has done it already
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # its failure adds nothing to the first one
                self._connection.rollback()

    def revision(self) -> int:
        return int(self._connection.execute("select coalesce(max(revision), 0) from changes").fetchone()[0])

    def heads(self, keys: Sequence[str]) -> dict[str, Head]:
        """The heads of those keys that are there."""
        return self._heads("key in (select value from json_each(?))", msgspec.json.encode(keys).decode())

    def heads_between(self, start: str, end: str) -> dict[str, Head]:
        return self._heads("key >= ? and key < ?", start, end)

    def heads_expired(self, now: datetime, limit: int) -> dict[str, Head]:
        return self._heads(
            "key in (select key from items where expires <= ? order by expires limit ?)", microseconds(now), limit
        )

    def write(self, ledger: Ledger) -> None:
        """Keep what the ledger decided."""
        puts = [change for change in ledger.final.values() if change.op == "put"]
        for some in _chunks(puts):
            self._connection.execute(_UPSERT + ", ".join([_UPSERT_ROW] * len(some)), _flat(map(_item_row, some)))
        deleted = [change.key for change in ledger.final.values() if change.op == "delete"]
        if deleted:
            keys = msgspec.json.encode(deleted).decode()
            self._connection.execute("delete from items where key in (select value from json_each(?))", (keys,))
        for key, expires in ledger.extended.items():
            self._connection.execute("update items set expires = ? where key = ?", (microseconds(expires), key))
        for logged in _chunks(ledger.changes):
            self._connection.execute(_LOG + ", ".join([_LOG_ROW] * len(logged)), _flat(map(_log_row, logged)))
        self._prune(ledger)

    def _prune(self, ledger: Ledger) -> None:
        before = ledger.revision - len(ledger.changes)
        if before // _PRUNE_EVERY != ledger.revision // _PRUNE_EVERY:
            self._connection.execute("delete from changes where revision <= ?", (ledger.revision - self._retained,))

    def _heads(self, condition: str, *parameters: object) -> dict[str, Head]:
        row = self._connection.execute(_HEADS + condition, parameters).fetchone()
        return {
            key: Head(revision, None if expires is None else from_microseconds(expires))
            for key, revision, expires in _heads_decoder.decode(row[0])
        }


def changes_after(connection: sqlite3.Connection, revision: int) -> list[ItemChange]:
    """All retained changes after `revision`, in order; those overtaken by a later one to their key have no value."""
    rows = connection.execute(
        "select c.revision, c.key, c.is_deletion, i.value, i.expires from changes c"
        " left join items i on i.key = c.key and i.revision = c.revision where c.revision > ? order by c.revision",
        (revision,),
    )
    return [
        ItemChange(
            number,
            key,
            "delete" if is_deletion else "put",
            value or b"",
            None if expires is None else from_microseconds(expires),
        )
        for number, key, is_deletion, value, expires in rows
    ]


def _item_row(change: ItemChange) -> tuple[object, ...]:
    return change.key, change.value, change.revision, None if change.expires is None else microseconds(change.expires)


def _log_row(change: ItemChange) -> tuple[object, ...]:
    return change.revision, change.key, change.op == "delete"


def _flat(rows: Iterable[tuple[object, ...]]) -> list[object]:
    return [value for row in rows for value in row]


def _chunks(sequence: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(sequence), _ROWS_A_STATEMENT):
        yield sequence[start : start + _ROWS_A_STATEMENT]
