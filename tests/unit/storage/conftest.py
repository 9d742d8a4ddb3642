"""Every backend, one after the other, under the same tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from teleport.foundation.clock import Clock, MovedClock
from teleport.storage.backend import Backend
from teleport.storage.backends.memory import MemoryBackend
from teleport.storage.backends.sqlite import SqliteBackend
from teleport.storage.measured import MeasuredBackend

RETAINED = 600


async def _open_memory(_directory: Path, clock: Clock) -> Backend:
    return MemoryBackend(clock, retained_changes=RETAINED)


async def _open_sqlite(directory: Path, clock: Clock) -> Backend:
    return await SqliteBackend.open(directory, clock, synchronous="OFF", retained_changes=RETAINED)


async def _open_measured(directory: Path, clock: Clock) -> Backend:
    return MeasuredBackend(await _open_memory(directory, clock))


BACKENDS: dict[str, Callable[[Path, Clock], Awaitable[Backend]]] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    "measured": _open_measured,
}


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Backend]:
    opened = await BACKENDS[request.param](tmp_path / "backend", clock)
    yield opened
    await opened.close()
