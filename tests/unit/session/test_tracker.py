"""Trackers: told, refreshed, ended; a cluster that is away hears the newest state later."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import Unavailable
from teleport.foundation.service import TaskOwner
from teleport.model.resource import Metadata
from teleport.model.resources.session_tracker import SessionTracker, SessionTrackerSpec
from teleport.session.tracker import LIFETIME, Trackers


class Sink:
    def __init__(self) -> None:
        self.known: dict[str, SessionTracker] = {}
        self.is_away = False
        self.is_slow = False
        self.waiting = 0

    async def put(self, tracker: SessionTracker) -> None:
        if self.is_away:
            raise Unavailable("away")
        self.known[tracker.name] = tracker

    async def delete(self, sid: str) -> None:
        if self.is_away:
            raise Unavailable("away")
        if self.is_slow:
            self.waiting += 1
            await asyncio.Event().wait()
        self.known.pop(sid, None)


def tracker(sid: str, reason: str = "") -> SessionTracker:
    return SessionTracker(
        metadata=Metadata(name=sid),
        spec=SessionTrackerSpec(session_id=sid, kind="ssh", state="running", reason=reason),
    )


async def test_a_session_is_known_while_it_runs() -> None:
    sink, clock = Sink(), MovedClock()
    trackers = Trackers(sink, clock)
    trackers.put("one", tracker("one"))
    await trackers.tell_all()
    expires = sink.known["one"].metadata.expires
    assert expires is not None
    assert abs(expires - clock.now() - LIFETIME) < timedelta(seconds=5)
    trackers.end("one")
    await trackers.tell_all()
    assert sink.known == {}


async def test_what_could_not_be_told_is_told_later_in_its_newest_state() -> None:
    sink = Sink()
    sink.is_away = True
    trackers = Trackers(sink, MovedClock())
    trackers.put("one", tracker("one", "old"))
    trackers.put("two", tracker("two"))
    await trackers.tell_all()
    trackers.put("one", tracker("one", "new"))
    trackers.end("two")
    sink.is_away = False
    await trackers.tell_all()
    assert {name: found.spec.reason for name, found in sink.known.items()} == {"one": "new"}


async def one_told(sink: Sink) -> tuple[Trackers, TaskOwner]:
    """They run, and the sink knows of session `one`."""
    trackers = Trackers(sink, MovedClock())
    tasks = TaskOwner("trackers")
    tasks.start(trackers.run(lambda: None))
    trackers.put("one", tracker("one"))
    async with asyncio.timeout(20):
        while "one" not in sink.known:
            await asyncio.sleep(0.01)
    return trackers, tasks


async def test_it_runs_by_itself() -> None:
    sink = Sink()
    _, tasks = await one_told(sink)
    await tasks.close()


async def test_ends_are_told_while_it_stops() -> None:
    sink = Sink()
    trackers, tasks = await one_told(sink)
    trackers.end("one")
    await tasks.close()
    assert sink.known == {}


async def test_an_end_that_was_being_told_as_it_stops_is_told_still() -> None:
    sink = Sink()
    trackers, tasks = await one_told(sink)
    async with asyncio.timeout(20):
        sink.is_slow = True
        trackers.end("one")
        while not sink.waiting:
            await asyncio.sleep(0.01)
    sink.is_slow = False
    await tasks.close()
    assert sink.known == {}


async def test_the_session_of_a_killed_process_is_ended() -> None:
    sink = Sink()
    sink.known["lost"] = tracker("lost")
    trackers = Trackers(sink, MovedClock())
    trackers.end_lost("lost")
    await trackers.tell_all()
    assert sink.known == {}
