"""Leases are kept while they are used, and given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from ssh_post import Log

from teleport.foundation.errors import LimitExceeded, Unavailable
from teleport.foundation.service import TaskOwner
from teleport.session.leases import Leases


@pytest.fixture
async def kept() -> AsyncIterator[tuple[Leases, Log]]:
    log = Log()
    leases = Leases(log, renew_every=0.01)
    tasks = TaskOwner("leases")
    tasks.start(leases.run(lambda: None))
    yield leases, log
    await tasks.close()


async def until(is_so: object) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_one_is_taken_renewed_and_given_back(kept: tuple[Leases, Log]) -> None:
    leases, log = kept
    lease = await leases.acquire("connection", "alice", 1, lambda _: None)
    with pytest.raises(LimitExceeded):
        await leases.acquire("connection", "alice", 1, lambda _: None)
    log.leases["alice"].clear()  # it expired at auth
    await until(lambda: log.leases["alice"] == {lease.id})
    leases.release(lease)
    leases.release(lease)
    await until(lambda: not log.leases["alice"])


class LateLog(Log):
    """Its answer does not come."""

    async def hold_lease(self, kind: str, name: str, lease_id: str, limit: int) -> None:
        await super().hold_lease(kind, name, lease_id, limit)
        await asyncio.Event().wait()


async def test_who_leaves_before_the_answer_keeps_nobody_out() -> None:
    log = LateLog()
    leases = Leases(log)
    asking = asyncio.get_running_loop().create_task(leases.acquire("connection", "alice", 1, lambda _: None))
    await until(lambda: log.leases.get("alice"))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: not log.leases["alice"])
    assert len(leases) == 0


async def test_its_holder_is_told_when_others_took_all(kept: tuple[Leases, Log]) -> None:
    leases, log = kept
    told: list[str] = []
    await leases.acquire("connection", "alice", 1, told.append)
    log.leases["alice"] = {"somebody else's"}
    await until(lambda: told)
    assert "limit connections to 1 at once" in told[0]
    assert len(leases) == 0


async def test_while_auth_is_away_they_stay_and_none_is_given(kept: tuple[Leases, Log]) -> None:
    leases, log = kept
    told: list[str] = []
    lease = await leases.acquire("connection", "alice", 1, told.append)
    log.is_away = True
    with pytest.raises(Unavailable):
        await leases.acquire("connection", "bob", 1, told.append)
    await asyncio.sleep(0.1)
    log.leases["alice"].clear()
    log.is_away = False
    await until(lambda: log.leases["alice"] == {lease.id})
    assert not told


async def test_all_are_given_back_at_the_end() -> None:
    log = Log()
    leases = Leases(log)
    tasks, running = TaskOwner("leases"), asyncio.Event()
    tasks.start(leases.run(running.set))
    await running.wait()
    for name in ("alice", "bob"):
        await leases.acquire("connection", name, 1, lambda _: None)
    await tasks.close()
    assert log.leases == {"alice": set(), "bob": set()}
