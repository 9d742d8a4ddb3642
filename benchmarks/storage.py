"""Storage figures: puts and gets of SQLite, appends and searches of the audit log, also beside a busy event loop.

usage: python benchmarks/storage.py [--directory DIR]   about ten seconds; DIR decides which disk is measured
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from teleport.foundation.clock import SystemClock
from teleport.foundation.service import TaskOwner
from teleport.storage.audit_log import AuditLog, EventQuery
from teleport.storage.backend import Backend
from teleport.storage.backends.memory import MemoryBackend
from teleport.storage.backends.sqlite import SqliteBackend
from teleport.storage.backends.sqlite_file import Synchronous

VALUE = os.urandom(700)
WRITERS = 64
KEYS = 1000
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


async def rate(work: Callable[[], Awaitable[int]], repeat: int = 5) -> str:
    """Median and spread of operations a second."""
    rates = []
    for _ in range(repeat):
        begin = time.perf_counter()
        count = await work()
        rates.append(count / (time.perf_counter() - begin))
    return f"{statistics.median(rates):10,.0f}/s   ({min(rates):,.0f} to {max(rates):,.0f})"


def show(what: str, figures: str) -> None:
    print(f"{what:58s}{figures}", flush=True)


async def put_together(backend: Backend, each: int) -> int:
    async def writer(number: int) -> None:
        for step in range(each):
            await backend.put(f"/node/{(number * each + step) % KEYS}", VALUE)

    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    return WRITERS * each


async def put_alone(backend: Backend) -> int:
    for number in range(200):
        await backend.put(f"/node/{number}", VALUE)
    return 200


async def get(backend: Backend) -> int:
    for number in range(10_000):
        await backend.get(f"/node/{number % KEYS}")
    return 10_000


async def list_all(backend: Backend) -> int:
    return sum([len(await backend.range("/node/", "/node0")) for _ in range(20)])


async def keep_busy() -> None:
    """Takes the event loop for two milliseconds at a time and gives it up for an instant only."""
    while True:
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measure_backend(name: str, backend: Backend) -> None:
    show(f"{name}: put, {WRITERS} writers", await rate(lambda: put_together(backend, 100)))
    show(f"{name}: put, one writer", await rate(lambda: put_alone(backend)))
    show(f"{name}: get", await rate(lambda: get(backend)))
    show(f"{name}: rows of a range of {KEYS}", await rate(lambda: list_all(backend)))
    tasks = TaskOwner("busy")
    tasks.start(keep_busy())
    show(f"{name}: put, {WRITERS} writers, busy loop", await rate(lambda: put_together(backend, 10)))
    await tasks.close()
    await backend.close()


def events(count: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "event": "session.command",
                "code": "T4000I",
                "time": MOMENT.isoformat().replace("+00:00", "Z"),
                "uid": str(uuid.uuid4()),
                "user": "alice",
                "login": "root",
                "sid": "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
                "server_id": str(uuid.uuid4()),
                "program": "ls",
                "argv": ["-la"] * 4,
            }
        ).encode()
        for _ in range(count)
    ]


async def append(log: AuditLog, batches: list[list[bytes]]) -> int:
    async def emitter(mine: list[list[bytes]]) -> None:
        for batch in mine:
            await log.emit_lines(batch)

    await asyncio.gather(*(emitter(batches[number::WRITERS]) for number in range(WRITERS)))
    return sum(map(len, batches))


async def search(log: AuditLog) -> int:
    page = await log.search(EventQuery(start=MOMENT, end=MOMENT + timedelta(days=1), limit=2000))
    return len(page.lines)


async def measure_audit(log: AuditLog) -> None:
    async def appended(batch_size: int, count: int) -> str:
        prepared = [[events(batch_size) for _ in range(count // batch_size)] for _ in range(5)]
        return await rate(lambda: append(log, prepared.pop()))

    show(f"audit: events, one a batch, {WRITERS} emitters", await appended(1, 6400))
    show(f"audit: events, 100 a batch, {WRITERS} emitters", await appended(100, 12_800))
    show("audit: found events, pages of at most 2000", await rate(lambda: search(log)))
    tasks = TaskOwner("busy")
    tasks.start(keep_busy())
    show(f"audit: events, one a batch, {WRITERS} emitters, busy loop", await appended(1, 640))
    await tasks.close()
    await log.close()


async def main(parent: Path | None) -> None:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        levels: tuple[Synchronous, ...] = ("FULL", "NORMAL")
        for level in levels:
            await measure_backend(
                f"sqlite {level}", await SqliteBackend.open(Path(directory, level), clock, synchronous=level)
            )
        await measure_backend("memory", MemoryBackend(clock))
        await measure_audit(await AuditLog.open(Path(directory, "log"), clock))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Storage figures")
    parser.add_argument("--directory", type=Path)
    asyncio.run(main(parser.parse_args().directory))
