"""Watchers are shown everything in order, never hold the session back, and are dropped when they cannot follow."""

from __future__ import annotations

import asyncio

from teleport.session.broadcast import BACKLOG, HISTORY, SHARE, TURN, Broadcast


class Eye:
    """A watcher that takes `room` bytes a turn."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.seen = bytearray()
        self.is_dropped = False

    def show(self, output: bytes) -> None:
        assert len(output) <= self.room
        self.seen += output

    def drop(self) -> None:
        self.is_dropped = True


async def until_seen(eye: Eye, size: int) -> None:
    async with asyncio.timeout(10):
        while len(eye.seen) < size:
            await asyncio.sleep(TURN)


async def test_a_key_is_shown_at_once() -> None:
    broadcast, eye = Broadcast(), Eye()
    broadcast.add(eye)
    broadcast.write(b"a")
    assert eye.seen == b"a"


async def test_everything_comes_in_order_however_it_was_written() -> None:
    broadcast, eye, slow = Broadcast(), Eye(), Eye(7_001)
    broadcast.add(eye)
    broadcast.add(slow)
    pieces = [bytes((number % 251,)) * (number * 37 % 3_000) for number in range(200)]
    for number, piece in enumerate(pieces):
        broadcast.write(piece)
        if number % 20 == 0:
            await asyncio.sleep(0)
    whole = b"".join(pieces)
    await until_seen(eye, len(whole))
    await until_seen(slow, len(whole))
    assert eye.seen == slow.seen == whole


async def test_a_newcomer_sees_whole_lines_of_the_past_and_all_that_comes() -> None:
    broadcast, eye = Broadcast(), Eye()
    lines = b"".join(b"line %06d\n" % number for number in range(10_000))
    for start in range(0, len(lines), 1_000):
        broadcast.write(lines[start : start + 1_000])
    broadcast.add(eye)
    assert eye.seen
    assert lines.endswith(eye.seen)
    assert eye.seen.startswith(b"line ")
    assert HISTORY - 100 < len(eye.seen) <= HISTORY
    past = len(eye.seen)
    broadcast.write(b"next")
    assert eye.seen[past:] == b"next"


async def test_while_the_session_is_busy_watchers_get_a_share_and_catch_up_later() -> None:
    broadcast, eye = Broadcast(), Eye()
    broadcast.add(eye)
    for _ in range(64):
        broadcast.write(b"x" * (64 << 10))
    assert len(eye.seen) <= 2 * SHARE
    await until_seen(eye, 4 << 20)


async def test_whoever_takes_nothing_is_dropped_and_nobody_else() -> None:
    broadcast, stuck, eye = Broadcast(), Eye(0), Eye()
    broadcast.add(stuck)
    broadcast.add(eye)
    total = 0
    while not stuck.is_dropped:
        broadcast.write(b"x" * (256 << 10))
        total += 256 << 10
        assert total <= BACKLOG + (256 << 10)
        if total % (1 << 20) == 0:
            await asyncio.sleep(TURN * 2)
    assert not eye.is_dropped
    broadcast.write(b"end")
    await until_seen(eye, total + 3)
    assert eye.seen.endswith(b"end")
    assert stuck.seen == b""


async def test_at_the_end_the_rest_is_shown() -> None:
    broadcast, eye = Broadcast(), Eye()
    broadcast.add(eye)
    for _ in range(32):
        broadcast.write(b"x" * (64 << 10))
    broadcast.finish()
    assert len(eye.seen) == 2 << 20


async def test_nothing_is_kept_but_the_last_of_it_while_nobody_watches() -> None:
    broadcast = Broadcast()
    for _ in range(100):
        broadcast.write(b"x" * (64 << 10))
    for _ in range(100_000):
        broadcast.write(b"y")
    kept = sum(map(len, broadcast._pieces))
    assert kept < HISTORY + (64 << 10)
    assert len(broadcast._pieces) < 100


async def test_whoever_follows_is_never_dropped_however_much_is_shown() -> None:
    broadcast, eye = Broadcast(), Eye(256 << 10)
    broadcast.add(eye)
    for _ in range(1_000):
        broadcast.write(b"x" * (64 << 10))
        await asyncio.sleep(0.0005)
        assert not eye.is_dropped
