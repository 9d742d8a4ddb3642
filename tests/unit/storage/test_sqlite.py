"""The SQLite backend and its file: sudden death, a full disk, other processes, other versions."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import NotFound, Unavailable, Unsupported
from teleport.storage.backend import Gap, ItemChange, Put
from teleport.storage.backends.sqlite import SqliteBackend

# Says each write on a line once it was acknowledged; the parent ends it in the middle.
_WRITER = """
import asyncio, os, sys
from pathlib import Path
from teleport.foundation.clock import SystemClock
from teleport.storage.backends.sqlite import SqliteBackend

async def main():
    backend = await SqliteBackend.open(Path(sys.argv[1]), SystemClock())
    async def write(number):
        step = 0
        while True:
            step += 1
            key = f"/k/{number}/{step}"
            revision = await backend.put(key, key.encode() * 50)
            os.write(1, f"{key} {revision}\\n".encode())
    await asyncio.gather(*(write(number) for number in range(16)))

asyncio.run(main())
"""

# Fills its allowance, reads on, gets more allowance, writes on.
_FILLER = """
import asyncio, os, resource, sys
from pathlib import Path
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import Unavailable
from teleport.storage.backend import Put
from teleport.storage.backends.sqlite import SqliteBackend

async def main():
    backend = await SqliteBackend.open(Path(sys.argv[1]), SystemClock())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    kept = 0
    watch = backend.watch()
    try:
        while kept < 1000:
            await backend.put(f"/k/{kept:04}", b"x" * 5000)
            kept += 1
    except Unavailable as error:
        assert str(sys.argv[1]) in str(error), error
    assert 10 < kept < 1000, kept
    assert len(await backend.range("/k/", "/k0")) == kept
    for _ in range(3):
        try:
            await backend.transact([Put(f"/k/again/{n}", b"x" * 900_000) for n in range(4)])
            raise SystemExit("a write above the limit was acknowledged")
        except Unavailable:
            pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await backend.put(f"/k/{kept:04}", b"x" * 5000)
    told = [(await anext(watch)).key for _ in range(kept + 1)]
    assert told == [f"/k/{number:04}" for number in range(kept + 1)], told
    print(kept + 1)
    os._exit(0)

asyncio.run(main())
"""


def _check_integrity(directory: Path) -> None:
    connection = sqlite3.connect(directory / "sqlite.db")
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.parametrize("acknowledged_before_death", [1, 500, 3000])
async def test_no_acknowledged_write_is_lost_to_sudden_death(
    tmp_path: Path, clock: MovedClock, acknowledged_before_death: int
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(tmp_path / "backend"), stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [await child.stdout.readline() for _ in range(acknowledged_before_death)]
    child.send_signal(signal.SIGKILL)
    rest = await child.stdout.read()
    lines += rest[: rest.rfind(b"\n") + 1].splitlines()
    assert await child.wait() == -signal.SIGKILL

    backend = await SqliteBackend.open(tmp_path / "backend", clock)
    try:
        for line in lines:
            key, revision = line.decode().split()
            item = await backend.get(key)
            assert (item.value, item.revision) == (key.encode() * 50, int(revision))
        assert await backend.put("/next", b"") > max(int(line.split()[1]) for line in lines)
    finally:
        await backend.close()
    _check_integrity(tmp_path / "backend")


async def test_a_full_disk_refuses_writes_loses_nothing_and_is_left_behind(tmp_path: Path, clock: MovedClock) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FILLER, str(tmp_path / "backend"), stdout=subprocess.PIPE
    )
    output, _ = await child.communicate()
    assert child.returncode == 0
    backend = await SqliteBackend.open(tmp_path / "backend", clock)
    try:
        items = await backend.range("/k/", "/k0")
        assert [item.key for item in items] == [f"/k/{number:04}" for number in range(int(output))]
        assert {len(item.value) for item in items} == {5000}
    finally:
        await backend.close()
    _check_integrity(tmp_path / "backend")


async def test_a_write_that_cannot_be_staged_stands_in_nobodys_way(tmp_path: Path, clock: MovedClock) -> None:
    backend = await SqliteBackend.open(tmp_path, clock)
    try:
        watch = backend.watch()
        with pytest.raises(Unavailable):
            await backend.put("/bad", ["not bytes"])  # type: ignore[arg-type]
        revision = await backend.put("/good", b"1")
        assert await anext(watch) == ItemChange(revision, "/good", "put", b"1")
    finally:
        await backend.close()


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path, clock: MovedClock) -> None:
    backend = await SqliteBackend.open(tmp_path, clock)
    first = await backend.put("/k", b"1")
    await backend.delete("/k")
    deleted = await backend.revision()
    await backend.close()
    backend = await SqliteBackend.open(tmp_path, clock)
    try:
        assert await backend.revision() == deleted
        watch = backend.watch(after_revision=first)
        second = await backend.put("/k", b"2")
        assert [await anext(watch), await anext(watch)] == [
            ItemChange(deleted, "/k", "delete"),
            ItemChange(second, "/k", "put", b"2"),
        ]
    finally:
        await backend.close()


async def test_the_file_belongs_to_its_owner_alone(tmp_path: Path, clock: MovedClock) -> None:
    directory = tmp_path / "new" / "backend"
    backend = await SqliteBackend.open(directory, clock)
    try:
        await backend.put("/k", b"")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    finally:
        await backend.close()
    assert modes == {"sqlite.db": 0o600, "sqlite.db-wal": 0o600, "sqlite.db-shm": 0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_newer_schema_is_refused_by_name(tmp_path: Path, clock: MovedClock) -> None:
    await (await SqliteBackend.open(tmp_path, clock)).close()
    connection = sqlite3.connect(tmp_path / "sqlite.db")
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(Unsupported, match="schema 99"):
        await SqliteBackend.open(tmp_path, clock)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, clock: MovedClock) -> None:
    path = tmp_path / "sqlite.db"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(Unavailable, match=r"sqlite\.db.*restore"):
        await SqliteBackend.open(tmp_path, clock)
    assert path.read_bytes() == b"garbage" * 1000


async def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path, clock: MovedClock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file"):
        await SqliteBackend.open(tmp_path / "file" / "backend", clock)


async def test_two_programs_on_one_file_see_each_others_writes(tmp_path: Path, clock: MovedClock) -> None:
    ours, theirs = await SqliteBackend.open(tmp_path, clock), await SqliteBackend.open(tmp_path, clock)
    try:
        watch = ours.watch()
        await theirs.put("/k", b"1")
        second = await theirs.put("/k", b"2")
        assert (await ours.get("/k")).value == b"2"
        await ours.sweep()
        third = await ours.put("/k", b"3")
        assert [await anext(watch), await anext(watch)] == [
            ItemChange(second, "/k", "put", b"2"),
            ItemChange(third, "/k", "put", b"3"),
        ]
        await theirs.delete("/k", third)
        with pytest.raises(NotFound):
            await ours.delete("/k")
    finally:
        await ours.close()
        await theirs.close()


async def test_more_foreign_writes_than_are_kept_are_a_gap(tmp_path: Path, clock: MovedClock) -> None:
    ours = await SqliteBackend.open(tmp_path, clock, synchronous="OFF", retained_changes=10)
    theirs = await SqliteBackend.open(tmp_path, clock, synchronous="OFF", retained_changes=10)
    try:
        watch = ours.watch()
        for _ in range(20):
            await theirs.transact([Put(f"/k/{number}", b"") for number in range(100)])
        await ours.sweep()
        assert isinstance(await anext(watch), Gap)
    finally:
        await ours.close()
        await theirs.close()
