"""How services are stopped: in reverse order, or all at once where another process takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from teleport.foundation.errors import Unavailable
from teleport.foundation.service import Service, Supervisor


class Slow:
    """Drains until it is allowed to end."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name = name
        self.may_end = asyncio.Event()
        self._told = told

    async def run(self, started: Callable[[], None]) -> None:
        started()
        try:
            await asyncio.Event().wait()
        finally:
            self._told.append(f"{self.name} drains")
            await self.may_end.wait()
            self._told.append(f"{self.name} ended")


async def supervised(parts: list[Slow], drain: float = 60.0) -> tuple[Supervisor, asyncio.Task[None]]:
    started = asyncio.Event()
    services: list[Service] = [*parts]
    supervisor = Supervisor(services, drain_timeout=drain)
    task = asyncio.get_running_loop().create_task(supervisor.run(started.set))
    await started.wait()
    return supervisor, task


class Failing:
    """Fails in a task of a group, as a service does that listens at several addresses."""

    name = "failing"

    async def run(self, started: Callable[[], None]) -> None:
        async def fail() -> None:
            raise Unavailable("cannot listen on :3080: Address already in use")

        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
            outer.create_task(asyncio.Event().wait())
            inner.create_task(fail())


async def test_the_failure_of_a_service_is_raised_as_it_is_however_deep_in_groups() -> None:
    supervisor = Supervisor([Failing()])
    with pytest.raises(Unavailable, match="cannot listen on :3080"):
        await supervisor.run()


async def test_services_stop_in_reverse_order() -> None:
    told: list[str] = []
    first, second = Slow("first", told), Slow("second", told)
    first.may_end.set()
    second.may_end.set()
    supervisor, task = await supervised([first, second])
    supervisor.stop()
    await task
    assert told == ["second drains", "second ended", "first drains", "first ended"]


async def test_together_none_waits_for_another() -> None:
    told: list[str] = []
    first, second = Slow("first", told), Slow("second", told)
    supervisor, task = await supervised([first, second])
    supervisor.stop(together=True)
    first.may_end.set()
    async with asyncio.timeout(20):
        await supervisor.ended(["first"])
    assert set(told) == {"first drains", "second drains", "first ended"}
    assert not task.done()
    second.may_end.set()
    await task


async def test_the_time_to_drain_may_be_shortened() -> None:
    told: list[str] = []
    slow = Slow("slow", told)
    supervisor, task = await supervised([slow])
    supervisor.stop()
    await asyncio.wait({task}, timeout=0.05)
    assert not task.done()
    supervisor.drain_timeout = 0.0
    async with asyncio.timeout(20):
        await task
    assert told == ["slow drains"]
    slow.may_end.set()
