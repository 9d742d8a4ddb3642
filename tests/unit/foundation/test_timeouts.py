"""Time limits inside the clean-up of a cancelled task: what drains stand on, on every Python that we serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from teleport.foundation.timeouts import MendedTimeout

Limit = Callable[[float], AbstractAsyncContextManager[object]]


def mended(seconds: float) -> MendedTimeout:
    return MendedTimeout(asyncio.get_running_loop().time() + seconds)


@pytest.fixture(params=[asyncio.timeout, mended], ids=["in use", "mended"])
def limit(request: pytest.FixtureRequest) -> Limit:
    chosen: Limit = request.param
    return chosen


async def test_a_limit_within_a_clean_up_is_a_time_out(limit: Limit) -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            try:
                async with limit(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                told.append("too late")
            told.append("cleaned up")

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert told == ["too late", "cleaned up"]
    assert task.cancelled()


async def test_a_limit_outside_of_any_clean_up_is_one_too(limit: Limit) -> None:
    with pytest.raises(TimeoutError):
        async with limit(0.01):
            await asyncio.Event().wait()
    async with limit(5):
        pass


async def test_a_cancellation_within_a_limit_stays_one(limit: Limit) -> None:
    async def work() -> None:
        async with limit(60):
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
