"""The emitter: in order, once each, through absence and death of either side; and it says when it cannot."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, LimitExceeded, TeleportError, Unavailable
from teleport.foundation.retry import Backoff
from teleport.foundation.service import TaskOwner
from teleport.model.events.catalog import decode_event
from teleport.model.events.session import Executed
from teleport.session import emitter as module
from teleport.session.emitter import Emitter
from teleport.session.event_spool import EventSpool


class Log:
    """A log that may be away, slow to remember, or choosy."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.uids: set[str] = set()
        self.is_away = False
        self.refuses = ""
        self.grew = asyncio.Event()
        self.batches: list[int] = []

    async def send(self, lines: Sequence[bytes]) -> None:
        if self.is_away:
            raise Unavailable("away")
        self.batches.append(len(lines))
        events = [decode_event(line) for line in lines]
        if self.refuses and any(getattr(event, "command", "") == self.refuses for event in events):
            raise BadParameter("not this one")
        for event in events:
            if event.uid not in self.uids:
                self.uids.add(event.uid)
                self.commands.append(getattr(event, "command", ""))
        self.grew.set()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.commands) < count:
                self.grew.clear()
                await self.grew.wait()
        return self.commands


@asynccontextmanager
async def emitting(log: Log, folder: Path) -> AsyncIterator[Emitter]:
    emitter = Emitter(log.send, EventSpool(folder), SystemClock(), "c")
    tasks = TaskOwner("emitter")
    started = asyncio.Event()
    tasks.start(emitter.run(started.set))
    await started.wait()
    try:
        yield emitter
    finally:
        await tasks.close()


async def test_events_arrive_in_order_with_id_and_time(tmp_path: Path) -> None:
    log = Log()
    async with emitting(log, tmp_path) as emitter:
        posted = [emitter.post(Executed(command=str(number))) for number in range(500)]
        assert await log.until(500) == [str(number) for number in range(500)]
        assert len({event.uid for event in posted}) == 500
        assert all(event.time and event.cluster_name == "c" for event in posted)


async def test_the_first_is_sent_at_once_and_those_close_behind_it_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_APART", 3600.0)
    log = Log()
    async with emitting(log, tmp_path) as emitter:
        emitter.post(Executed(command="first"))
        await log.until(1)
        for number in range(5):
            await emitter.emit(Executed(command=str(number)))
        assert log.batches == [1]
    assert log.commands == ["first", "0", "1", "2", "3", "4"]
    assert log.batches == [1, 5]


async def test_what_waits_while_the_log_is_away_arrives_later_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "next_delay", lambda _: 0.01)
    log = Log()
    log.is_away = True
    async with emitting(log, tmp_path) as emitter:
        for number in range(50):
            await emitter.emit(Executed(command=str(number)))
        assert log.commands == []
        log.is_away = False
        assert await log.until(50) == [str(number) for number in range(50)]


async def test_a_stop_while_the_disk_is_busy_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_free, peek = threading.Event(), EventSpool.peek

    def slow(spool: EventSpool, limit: int = 1 << 20) -> list[bytes]:
        is_free.wait(30)
        return peek(spool, limit)

    monkeypatch.setattr(EventSpool, "peek", slow)
    log = Log()
    async with emitting(log, tmp_path) as emitter:
        emitter.post(Executed(command="waits for the disk"))
        async with asyncio.timeout(20):
            while emitter._waiting:
                await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.1, is_free.set)
    assert log.commands == ["waits for the disk"]


async def test_a_later_run_sends_what_an_earlier_one_left(tmp_path: Path) -> None:
    log = Log()
    log.is_away = True
    async with emitting(log, tmp_path) as emitter:
        await emitter.emit(Executed(command="first"))
    log.is_away = False
    async with emitting(log, tmp_path) as emitter:
        emitter.post(Executed(command="second"))
        assert await log.until(2) == ["first", "second"]
    assert list(tmp_path.iterdir()) == []


async def test_an_event_the_log_will_never_take_does_not_hold_up_the_others(tmp_path: Path) -> None:
    log = Log()
    log.refuses = "bad"
    async with emitting(log, tmp_path) as emitter:
        for command in ("one", "bad", "two"):
            emitter.post(Executed(command=command))
        assert await log.until(2) == ["one", "two"]


async def test_without_disk_events_go_straight_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    async with emitting(log, tmp_path) as emitter:
        monkeypatch.setattr(os, "fdatasync", _full)
        await emitter.emit(Executed(command="direct"))
        assert log.commands == ["direct"]
        assert emitter.failure is None


async def test_without_disk_and_log_it_says_so_until_one_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DISK_RETRY", 0.01)
    log, told = Log(), list[TeleportError]()
    async with emitting(log, tmp_path) as emitter:
        log.is_away = True
        unwatch = emitter.watch_failure(told.append)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", _full)
            emitting_ = asyncio.ensure_future(emitter.emit(Executed(command="kept")))  # noqa: TID251
            async with asyncio.timeout(20):
                while not told:
                    await asyncio.sleep(0.01)
            assert "neither on disk" in str(emitter.failure)
            assert not emitting_.done()
        async with asyncio.timeout(20):
            await emitting_
        assert emitter.failure is None
        assert len(told) == 1
        unwatch()
        log.is_away = False


async def test_more_than_it_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    emitter = Emitter(Log().send, EventSpool(tmp_path), SystemClock())
    for _ in range(3):
        emitter.post(Executed())
    with pytest.raises(LimitExceeded):
        emitter.post(Executed())


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")
