"""The index beside the audit files: where each event is, by time, type, user and session. It can be made again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from teleport.foundation.logs import get_logger

log = get_logger("audit")

_SCHEMA_VERSION = 1
_SCHEMA = """
create table files (id integer primary key, name text not null unique, size integer not null);
create table events (seq integer primary key, time integer not null, uid text not null, type text not null,
    user text not null, sid text not null, file integer not null, offset integer not null, length integer not null);
create index events_time on events (time, uid);
create index events_type on events (type, time, uid);
create index events_sid on events (sid, time, uid) where sid <> '';
create table recent (uid text primary key, day integer not null) without rowid;
"""
_MICROSECONDS_A_DAY = 86_400_000_000
_REMEMBERED_DAYS = 31
_ROWS_A_STATEMENT = 500
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)

T = TypeVar("T")


class Entry(Struct, frozen=True, array_like=True):
    """Where an event is and what it is found by. `time` in microseconds since 1970."""

    time: int
    uid: str
    type: str
    user: str
    sid: str
    offset: int
    length: int


class Place(Struct, frozen=True, array_like=True):
    """Where a found event is."""

    seq: int
    time: int
    uid: str
    file: str
    offset: int
    length: int


class Condition(Struct, frozen=True):
    """`start` <= time < `end`; `after` is the (time, uid) to go on behind, in the order asked for."""

    start: int
    end: int
    types: Collection[str]
    user: str
    sid: str
    order: Literal["asc", "desc"]
    after: tuple[int, str] | None


_places_decoder = msgspec.json.Decoder(list[Place])


class AuditIndex:
    """One writer, one reader; each used by one thread at a time. Methods raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        """Creates it, or makes it anew where it is damaged or of another version."""
        self._path = path
        self._writer = self._connect()
        try:
            is_usable = self._prepare()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGE:
                raise
            log.warning("the index of the audit log is damaged and made again", path=path, error=error)
            is_usable = False
        if not is_usable:
            self._start_anew()
        self._reader = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    def begin(self) -> None:
        self._writer.execute("begin immediate")

    def commit(self) -> None:
        self._writer.execute("commit")

    def roll_back(self) -> None:
        if self._writer.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # its failure adds nothing to the first one
                self._writer.rollback()

    def file_names(self) -> set[str]:
        """All files of which something is indexed."""
        return {row[0] for row in self._writer.execute("select name from files where size > 0").fetchall()}

    def size(self, name: str) -> int:
        """How much of that file is indexed."""
        row = self._writer.execute("select size from files where name = ?", (name,)).fetchone()
        return int(row[0]) if row is not None else 0

    def known(self, uids: Sequence[str]) -> set[str]:
        """Those that an event of the last days has."""
        sql = "select json_group_array(uid) from recent where uid in (select value from json_each(?))"
        row = self._writer.execute(sql, (msgspec.json.encode(uids).decode(),)).fetchone()
        return set(msgspec.json.decode(row[0], type=list[str]))

    def add(self, name: str, entries: Sequence[Entry], size: int, day: int) -> None:
        """Events of one file, which is then indexed up to `size`. `day` counts from 1970."""
        self._writer.execute(
            "insert into files (name, size) values (?, ?) on conflict (name) do update set size = excluded.size",
            (name, size),
        )
        file = self._writer.execute("select id from files where name = ?", (name,)).fetchone()[0]
        for some in _chunks(entries):
            rows = [value for each in some for value in (*msgspec.structs.astuple(each), file)]
            self._writer.execute(
                "insert into events (time, uid, type, user, sid, offset, length, file) values "  # noqa: S608 - values are bound
                + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(some)),
                rows,
            )
            self._writer.execute(
                "insert or ignore into recent (uid, day) values "  # noqa: S608 - values are bound
                + ", ".join(["(?, ?)"] * len(some)),
                [value for each in some for value in (each.uid, day)],
            )

    def forget_behind(self, name: str, size: int) -> None:
        """The file ends at `size` now; 0: it is gone."""
        self._writer.execute(
            "delete from recent where uid in (select uid from events where offset >= ?1"
            " and file = (select id from files where name = ?2))",
            (size, name),
        )
        self._writer.execute(
            "delete from events where offset >= ? and file = (select id from files where name = ?)", (size, name)
        )
        self._writer.execute("update files set size = ? where name = ?", (size, name))

    def forget_old_uids(self, today: int) -> None:
        self._writer.execute("delete from recent where day < ?", (today - _REMEMBERED_DAYS,))

    def position(self) -> int:
        return int(self._writer.execute("select coalesce(max(seq), 0) from events").fetchone()[0])

    def find(self, condition: Condition, limit: int) -> list[Place]:
        """In order of time, then uid."""
        where, parameters = _where(condition)
        order = condition.order
        return self._places(f"{where} order by e.time {order}, e.uid {order} limit ?", [*parameters, limit])

    def find_after(self, seq: int, types: Collection[str], limit: int) -> list[Place]:
        """In order of arrival."""
        where, parameters = "e.seq > ?", [seq, *types]
        if types:
            where += f" and e.type in ({', '.join('?' * len(types))})"
        return self._places(f"{where} order by e.seq limit ?", [*parameters, limit])

    def _places(self, condition: str, parameters: Sequence[object]) -> list[Place]:
        sql = (
            "select json_group_array(json_array(seq, time, uid, name, offset, length)) from"  # noqa: S608 - as above
            " (select e.seq, e.time, e.uid, f.name, e.offset, e.length from events e join files f on f.id = e.file"
            f" where {condition})"
        )
        return _places_decoder.decode(self._reader.execute(sql, parameters).fetchone()[0])

    def _connect(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        return sqlite3.connect(self._path, timeout=0.5, isolation_level=None, check_same_thread=False)

    def _prepare(self) -> bool:
        """Whether it is a usable index; a new one is filled with its tables."""
        self._writer.execute("pragma journal_mode = wal")
        # the files are what is kept: after a loss of power the index catches up with them
        self._writer.execute("pragma synchronous = normal")
        self._writer.execute("pragma cache_size = -32768")
        self._writer.execute("pragma wal_autocheckpoint = 4000")
        version = self._writer.execute("pragma user_version").fetchone()[0]
        if version == 0:
            self._writer.executescript(f"begin; {_SCHEMA} pragma user_version = {_SCHEMA_VERSION}; commit;")
        elif version == _SCHEMA_VERSION:
            self._writer.execute("select * from events order by time desc limit 1").fetchall()
        return bool(version in (0, _SCHEMA_VERSION))

    def _start_anew(self) -> None:
        self._writer.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._writer = self._connect()
        self._prepare()


def day_of(time: int) -> int:
    """Days since 1970 of a time in microseconds."""
    return time // _MICROSECONDS_A_DAY


def _where(condition: Condition) -> tuple[str, list[object]]:
    where, parameters = "e.time >= ? and e.time < ?", [condition.start, condition.end, *condition.types]
    if condition.types:
        where += f" and e.type in ({', '.join('?' * len(condition.types))})"
    if condition.user:
        where += " and e.user = ?"
        parameters.append(condition.user)
    if condition.sid:
        where += " and e.sid = ? and e.sid <> ''"
        parameters.append(condition.sid)
    if condition.after is not None:
        where += f" and (e.time, e.uid) {'>' if condition.order == 'asc' else '<'} (?, ?)"
        parameters += condition.after
    return where, parameters


def _chunks(sequence: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(sequence), _ROWS_A_STATEMENT):
        yield sequence[start : start + _ROWS_A_STATEMENT]
