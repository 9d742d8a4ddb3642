"""The audit log: durable, once each, found again."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teleport.foundation.clock import MovedClock, SystemClock
from teleport.foundation.errors import BadParameter, LimitExceeded, Unavailable
from teleport.model.events.catalog import EVENTS, decode_event
from teleport.storage.audit_log import AuditLog, EventPage, EventQuery

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Says each event on a line once it was acknowledged; the parent ends it in the middle.
_EMITTER = """
import asyncio, json, os, sys, uuid
from pathlib import Path
from teleport.foundation.clock import SystemClock
from teleport.storage.audit_log import AuditLog

async def main():
    log = await AuditLog.open(Path(sys.argv[1]), SystemClock())
    async def emit(number):
        while True:
            uid = str(uuid.uuid4())
            event = {"event": "session.data", "code": "T2006I", "uid": uid, "time": "2026-03-01T12:00:00.000Z"}
            await log.emit_lines([json.dumps(event).encode()])
            os.write(1, uid.encode() + b"\\n")
    await asyncio.gather(*(emit(number) for number in range(16)))

asyncio.run(main())
"""

# Fills its allowance, sees that reading goes on, gets more allowance, writes on.
_FILLER = """
import asyncio, json, resource, sys, uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import Unavailable
from teleport.storage.audit_log import AuditLog, EventQuery

def event(n):
    plain = {"event": "exec", "code": "T3002I", "uid": str(uuid.UUID(int=n)), "time": "2026-03-01T12:00:00.000Z"}
    return json.dumps(plain | {"command": "x" * 3000}).encode()

async def main():
    log = await AuditLog.open(Path(sys.argv[1]), SystemClock())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    kept = 0
    try:
        while kept < 1000:
            await log.emit_lines([event(kept)])
            kept += 1
    except Unavailable as error:
        assert "disk" in str(error), error
    assert 10 < kept < 1000, kept
    try:
        await log.emit_lines([event(n) for n in range(5000, 5300)])
        raise SystemExit("a batch above the limit was acknowledged")
    except Unavailable:
        pass
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    assert len((await log.search(EventQuery(start=begin, end=begin + timedelta(days=1)))).lines) == kept
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await log.emit_lines([event(n) for n in range(kept + 1)])
    print(kept + 1)
    await log.close()

asyncio.run(main())
"""


def event(number: int = 0, **fields: object) -> bytes:
    """One an event number, a second apart."""
    plain: dict[str, object] = {
        "event": "user.login",
        "code": "T1000I",
        "uid": str(uuid.UUID(int=number)),
        "time": (START + timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return json.dumps(plain | fields).encode()


def query(**changes: object) -> EventQuery:
    fields: dict[str, object] = {
        "start": START - timedelta(days=30),
        "end": START + timedelta(days=30),
        "limit": 10_000,
    }
    return EventQuery(**(fields | changes))  # type: ignore[arg-type]


def numbers(page: EventPage) -> list[int]:
    return [uuid.UUID(json.loads(line)["uid"]).int for line in page.lines]


@pytest.fixture
def clock() -> MovedClock:
    clock = MovedClock()
    clock.offset = START - SystemClock().now()
    return clock


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
async def log(directory: Path, clock: MovedClock) -> AsyncIterator[AuditLog]:
    opened = await AuditLog.open(directory, clock)
    yield opened
    await opened.close()


async def reopened(directory: Path, clock: MovedClock) -> EventPage:
    """All there is for who opens it now."""
    log = await AuditLog.open(directory, clock)
    try:
        return await log.search(query())
    finally:
        await log.close()


async def test_an_event_is_a_line_of_the_days_file(log: AuditLog, directory: Path) -> None:
    await log.emit_lines([event(1), event(2)])
    path = directory / "2026-03-01.00:00:00.log"
    assert path.read_bytes() == event(1) + b"\n" + event(2) + b"\n"
    assert (directory / "events.log").resolve() == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_typed_event_is_found_as_it_was_emitted(log: AuditLog) -> None:
    login = EVENTS[("user.login", "T1000I")](uid=str(uuid.uuid4()), time=START, cluster_name="example.com")
    await log.emit([login])
    page = await log.search(query())
    assert [decode_event(line) for line in page.lines] == [login]


async def test_a_new_day_is_a_new_file_and_search_spans_them(
    log: AuditLog, directory: Path, clock: MovedClock
) -> None:
    await log.emit_lines([event(1)])
    clock.advance(timedelta(days=1))
    await log.emit_lines([event(2)])
    assert (directory / "2026-03-02.00:00:00.log").read_bytes() == event(2) + b"\n"
    assert (directory / "events.log").readlink() == Path("2026-03-02.00:00:00.log")
    assert numbers(await log.search(query())) == [1, 2]


async def test_the_link_may_be_elsewhere(tmp_path: Path, clock: MovedClock) -> None:
    log = await AuditLog.open(tmp_path / "log" / "host", clock, link=tmp_path / "log" / "events.log")
    await log.emit_lines([event(1)])
    await log.close()
    assert (tmp_path / "log" / "events.log").readlink() == Path("host/2026-03-01.00:00:00.log")


async def test_the_same_uid_is_kept_once(log: AuditLog, directory: Path, clock: MovedClock) -> None:
    await log.emit_lines([event(1), event(1), event(2)])
    await asyncio.gather(log.emit_lines([event(2), event(3)]), log.emit_lines([event(3), event(4)]))
    clock.advance(timedelta(days=5))
    await log.emit_lines([event(4), event(5)])
    await log.close()
    again = await AuditLog.open(directory, clock)
    await again.emit_lines([event(1), event(5), event(6)])
    page = await again.search(query())
    await again.close()
    assert numbers(page) == [1, 2, 3, 4, 5, 6]
    lines = [line for path in directory.glob("2026*.log") for line in path.read_bytes().splitlines()]
    assert len(lines) == 6


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b'{"event":"x","uid":"1"}',
        b'{"event":"","uid":"1","time":"2026-03-01T12:00:00Z"}',
        b'{"event":"x","uid":"","time":"2026-03-01T12:00:00Z"}',
        b'{"event":"x","uid":"1","time":"2026-03-01T12:00:00"}',
        b'{"event":"x","uid":"1","time":"2026-03-01T12:00:00Z","a":"\xff"}',
        b'{"event":"x","uid":"' + b"1" * 129 + b'","time":"2026-03-01T12:00:00Z"}',
    ],
)
async def test_what_is_no_event_is_refused_with_its_batch(log: AuditLog, bad: bytes) -> None:
    with pytest.raises(BadParameter):
        await log.emit_lines([event(1), bad])
    assert numbers(await log.search(query())) == []


async def test_an_event_over_several_lines_becomes_one(log: AuditLog) -> None:
    await log.emit_lines([json.dumps(json.loads(event(1, user="a\nb")), indent=2).encode()])
    page = await log.search(query())
    assert json.loads(page.lines[0]) == json.loads(event(1, user="a\nb"))
    assert b"\n" not in page.lines[0]


async def test_too_large_an_event_is_cut_and_not_dropped(log: AuditLog) -> None:
    await log.emit_lines([event(1, command="x" * 2_000_000, user="alice")])
    page = await log.search(query(user="alice"))
    assert numbers(page) == [1]
    assert len(page.lines[0]) <= 64 * 1024


async def test_search_by_time_type_user_and_session(log: AuditLog) -> None:
    await log.emit_lines(
        [
            event(1, user="alice"),
            event(2, event="session.start", user="alice", sid="s1"),
            event(3, event="session.end", user="bob", sid="s1"),
            event(4, event="session.start", user="bob", sid="s2"),
            event(5, user=7, sid=None),
        ]
    )
    assert numbers(await log.search(query())) == [1, 2, 3, 4, 5]
    assert numbers(await log.search(query(order="desc"))) == [5, 4, 3, 2, 1]
    assert numbers(await log.search(query(types=frozenset({"session.start"})))) == [2, 4]
    assert numbers(await log.search(query(types=frozenset({"session.start", "session.end"}), user="bob"))) == [3, 4]
    assert numbers(await log.search(query(user="alice"))) == [1, 2]
    assert numbers(await log.search(query(session_id="s1"))) == [2, 3]
    assert numbers(await log.search(query(accept=lambda line: b"bob" in line))) == [3, 4]
    in_range = query(start=START + timedelta(seconds=2), end=START + timedelta(seconds=4))
    assert numbers(await log.search(in_range)) == [2, 3]


async def test_late_events_are_found_at_their_time(log: AuditLog) -> None:
    for number in (5, 1, 3):
        await log.emit_lines([event(number)])
    assert numbers(await log.search(query())) == [1, 3, 5]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
async def test_pages_follow_each_other_without_loss_or_repetition(log: AuditLog, order: str, limit: int) -> None:
    # many at one moment: the uid decides
    same_moment = [event(number, time="2026-03-01T12:00:00.000Z") for number in range(120)]
    await log.emit_lines([*same_moment, *(event(number) for number in range(200, 300))])
    found: list[int] = []
    key, pages = "", 0
    while pages == 0 or key:
        page = await log.search(query(order=order, limit=limit, start_key=key))
        assert len(page.lines) <= limit
        found += numbers(page)
        key, pages = page.next_key, pages + 1
    expected = [*range(120), *range(200, 300)]
    assert found == (expected if order == "asc" else expected[::-1])
    assert pages == -(-220 // limit)


async def test_a_page_is_a_mebibyte_at_most(log: AuditLog) -> None:
    await log.emit_lines([event(number, command="x" * 50_000) for number in range(50)])
    found: list[int] = []
    sizes: list[int] = []
    key = ""
    while not sizes or key:
        page = await log.search(query(start_key=key))
        sizes.append(sum(map(len, page.lines)))
        found += numbers(page)
        key = page.next_key
    assert found == list(range(50))
    assert max(sizes) <= 1024 * 1024
    assert len(sizes) == 3


async def test_a_filter_that_seldom_accepts_goes_through_all(log: AuditLog) -> None:
    await log.emit_lines([event(number) for number in range(2000)])
    page = await log.search(query(limit=1, accept=lambda line: json.loads(line)["uid"] == str(uuid.UUID(int=1999))))
    assert (numbers(page), page.next_key) == ([1999], "")


async def test_searches_that_make_no_sense_are_refused(log: AuditLog) -> None:
    with pytest.raises(LimitExceeded):
        await log.search(query(limit=10_001))
    for bad in ({"limit": 0}, {"start_key": "???"}, {"start_key": "e30"}, {"start": datetime(2026, 1, 1)}):  # noqa: DTZ001
        with pytest.raises(BadParameter):
            await log.search(query(**bad))


async def test_no_acknowledged_event_is_lost_or_doubled_by_sudden_death(directory: Path, clock: MovedClock) -> None:
    acknowledged: set[str] = set()
    for count in (1, 300):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _EMITTER, str(directory), stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        lines = [await child.stdout.readline() for _ in range(count)]
        child.send_signal(signal.SIGKILL)
        rest = await child.stdout.read()
        assert await child.wait() == -signal.SIGKILL
        lines += rest[: rest.rfind(b"\n") + 1].splitlines()
        acknowledged |= {line.strip().decode() for line in lines}
    log = await AuditLog.open(directory, clock)
    found: list[str] = []
    key = ""
    while key or not found:
        page = await log.search(query(start_key=key))
        found += [json.loads(line)["uid"] for line in page.lines]
        key = page.next_key
    await log.close()
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))


async def test_a_full_disk_refuses_events_and_loses_none(directory: Path, clock: MovedClock) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FILLER, str(directory), stdout=subprocess.PIPE
    )
    output, _ = await child.communicate()
    assert child.returncode == 0
    assert numbers(await reopened(directory, clock)) == list(range(int(output)))


async def test_a_torn_last_line_is_cut_off(log: AuditLog, directory: Path, clock: MovedClock) -> None:
    await log.emit_lines([event(1)])
    await log.close()
    path = directory / "2026-03-01.00:00:00.log"
    path.write_bytes(event(1) + b"\n" + event(2) + b"\n" + event(3)[:-5])
    assert numbers(await reopened(directory, clock)) == [1, 2]
    assert path.read_bytes() == event(1) + b"\n" + event(2) + b"\n"


async def test_what_a_failed_batch_left_behind_is_not_doubled(log: AuditLog, directory: Path) -> None:
    await log.emit_lines([event(1)])
    with (directory / "2026-03-01.00:00:00.log").open("ab") as file:
        file.write(event(2) + b"\n" + event(3)[:10])
    await log.emit_lines([event(2), event(3)])
    assert numbers(await log.search(query())) == [1, 2, 3]
    assert (directory / "2026-03-01.00:00:00.log").read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("damage", ["missing", "garbage", "other version"])
async def test_the_index_is_made_again(log: AuditLog, directory: Path, clock: MovedClock, damage: str) -> None:
    await log.emit_lines([event(number) for number in range(3)])
    clock.advance(timedelta(days=1))
    await log.emit_lines([event(number) for number in range(3, 6)])
    await log.close()
    path = directory / "events.index"
    if damage == "missing":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"garbage" * 5000)
    else:
        content = bytearray(path.read_bytes())
        content[60:64] = (99).to_bytes(4, "big")
        path.write_bytes(content)
    again = await AuditLog.open(directory, clock)
    await again.emit_lines([event(0), event(5), event(6)])
    page = await again.search(query())
    await again.close()
    assert numbers(page) == list(range(7))


async def test_a_line_that_is_there_twice_is_found_once(log: AuditLog, directory: Path, clock: MovedClock) -> None:
    await log.emit_lines([event(1)])
    await log.close()
    with (directory / "2026-03-01.00:00:00.log").open("ab") as file:
        file.write(b"".join(event(number) + b"\n" for number in (1, 2, 2, 3)))
    assert numbers(await reopened(directory, clock)) == [1, 2, 3]


async def test_a_line_that_is_no_event_hides_no_other(directory: Path, clock: MovedClock) -> None:
    directory.mkdir()
    (directory / "2026-03-01.00:00:00.log").write_bytes(event(1) + b"\n\0\0\0\r\nnonsense\n" + event(2) + b"\n")
    assert numbers(await reopened(directory, clock)) == [1, 2]


async def test_a_removed_file_takes_its_events_along(log: AuditLog, directory: Path, clock: MovedClock) -> None:
    await log.emit_lines([event(1)])
    clock.advance(timedelta(days=1))
    await log.emit_lines([event(2)])
    (directory / "2026-03-01.00:00:00.log").unlink()
    assert numbers(await log.search(query())) == [2]
    (directory / "2026-03-02.00:00:00.log").unlink()
    await log.emit_lines([event(3)])
    assert numbers(await log.search(query())) == [3]
    await log.close()
    assert (directory / "2026-03-02.00:00:00.log").read_bytes() == event(3) + b"\n"
    assert numbers(await reopened(directory, clock)) == [3]


async def test_two_programs_on_one_log_lose_and_double_nothing(
    log: AuditLog, directory: Path, clock: MovedClock
) -> None:
    other = await AuditLog.open(directory, clock)
    for number in range(10):
        await (log if number % 2 else other).emit_lines([event(number), event(number + 1)])
    assert numbers(await log.search(query())) == list(range(11))
    await other.close()


async def test_following_tells_each_event_in_order_of_arrival(log: AuditLog) -> None:
    await log.emit_lines([event(1)])
    begin = log.position
    every, logins = log.follow(begin), log.follow(types=frozenset({"user.login"}))
    first_login = asyncio.get_running_loop().create_task(_take(logins, 1))
    await asyncio.sleep(0)
    await log.emit_lines([event(9, event="session.start")])
    await log.emit_lines([event(5)])
    assert await _take(every, 2) == [9, 5]
    assert await first_login == [5]
    later = asyncio.get_running_loop().create_task(_take(every, 600))
    await log.emit_lines([event(number) for number in range(100, 400)])
    await log.emit_lines([event(number) for number in range(400, 700)])
    assert await later == list(range(100, 700))


async def _take(following: AsyncIterator[tuple[int, bytes]], count: int) -> list[int]:
    async with asyncio.timeout(20):
        lines = [(await anext(following))[1] for _ in range(count)]
    return numbers(EventPage(lines))


async def test_a_closed_log_is_unavailable_also_for_followers(log: AuditLog) -> None:
    waiting = asyncio.get_running_loop().create_task(_take(log.follow(), 1))
    await asyncio.sleep(0)
    await log.close()
    await log.close()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await log.emit_lines([event(1)])
    with pytest.raises(Unavailable):
        await log.search(query())
