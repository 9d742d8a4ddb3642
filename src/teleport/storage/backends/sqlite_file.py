"""The SQLite file: private to its owner, opened for one writer and one reader, its errors told in our words."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from teleport.foundation.errors import Unavailable, Unsupported

Synchronous = Literal["FULL", "NORMAL", "OFF"]

_SCHEMA_VERSION = 1
_SCHEMA = """
create table items
    (key text primary key, value blob not null, revision integer not null, expires integer) without rowid;
create index items_expires on items (expires) where expires is not null;
create table changes (revision integer primary key, key text not null, is_deletion integer not null);
"""
_BUSY_SECONDS = 0.5  # on the event loop, so no longer
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def open_writer(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Creates the file and its tables as needed. Raises Unavailable, Unsupported for a newer schema."""
    try:
        _make_private(path)
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise as_unavailable(path, error) from error
    try:
        _prepare(connection, path, synchronous)
    except sqlite3.Error as error:
        connection.close()
        raise as_unavailable(path, error) from error
    except Unsupported:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"pragma busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    connection.execute("select count(*) from changes where revision < 0").fetchall()
    return connection


def as_unavailable(path: Path, error: Exception) -> Unavailable:
    """What went wrong with the file, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        advice = "free space on its disk"
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        advice = "restore it from a copy"
    elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "another process holds it: end that one"
    else:
        advice = "check its disk and permissions"
    return Unavailable(f"storage {path}: {error}; {advice}")


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(count: int) -> datetime:
    return _EPOCH + timedelta(microseconds=count)


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its side files the mode of the main one
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _prepare(connection: sqlite3.Connection, path: Path, synchronous: Synchronous) -> None:
    connection.execute("pragma page_size = 4096")
    connection.execute("pragma journal_mode = wal")
    connection.execute(f"pragma synchronous = {synchronous}")
    connection.execute("begin immediate")
    version = connection.execute("pragma user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise Unsupported(f"storage {path} has schema {version}, this program knows {_SCHEMA_VERSION}: upgrade it")
    if version == 0:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")
    connection.execute("commit")
