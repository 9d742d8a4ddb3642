"""The player: frames at their time, faster, from anywhere, without the idle time. Time is moved, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from teleport.foundation.clock import SystemClock
from teleport.session.player import CLEAR_SCREEN, Player, read_frames
from teleport.wire.recording import DamagedRecording, Frame, Printed, encode_part

FRAMES: list[Frame] = [Printed(offset, b"%d" % offset) for offset in (0, 40, 80, 120, 60_000, 60_040)]
RECORDING = b"".join(encode_part(number, [frame]) for number, frame in enumerate(FRAMES, 1))


async def source() -> AsyncIterator[bytes]:
    for at in range(0, len(RECORDING), 33):
        yield RECORDING[at : at + 33]


def player(**options: object) -> Player:
    return Player(source, SystemClock(), **options)  # type: ignore[arg-type]


async def test_frames_come_at_their_time_and_idle_time_is_left_out() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    seen = [(frame.offset, loop.time() - begun) async for frame in player(skip_idle=True).frames()]
    assert [offset for offset, _ in seen] == [frame.offset for frame in FRAMES]
    times = dict(seen)
    assert 0.11 <= times[120] < 10.0  # timers of the loop tick in milliseconds
    assert 1.1 <= times[60_000] < 20.0


async def test_a_hundred_times_the_speed_takes_a_hundredth_of_the_time() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async for frame in player(speed=100.0).frames():
        if frame.offset == 60_000:
            break
    assert 0.59 <= loop.time() - begun < 10.0  # timers of the loop tick in milliseconds


async def test_seeking_shows_everything_before_at_once() -> None:
    playing = player()
    playing.seek(timedelta(minutes=1))
    seen = [frame.offset async for frame in playing.frames()]
    assert seen == [frame.offset for frame in FRAMES]
    assert playing.position >= timedelta(minutes=1)


async def test_seeking_back_begins_with_a_clear_screen() -> None:
    playing = player()
    playing.seek(timedelta(seconds=59.99))
    seen: list[bytes] = []
    async for frame in playing.frames():
        assert isinstance(frame, Printed)
        seen.append(frame.data)
        if frame.offset == 60_040 and seen.count(CLEAR_SCREEN) == 0:
            break
        if frame.offset == 60_000 and CLEAR_SCREEN not in seen:
            playing.seek(timedelta())
        if CLEAR_SCREEN in seen and frame.offset == 120:
            break
    assert seen == [b"0", b"40", b"80", b"120", b"60000", CLEAR_SCREEN, b"0", b"40", b"80", b"120"]


async def test_paused_nothing_comes() -> None:
    playing = player()
    frames = playing.frames()
    assert (await anext(frames)).offset == 0
    playing.pause()
    following = asyncio.ensure_future(anext(frames))  # noqa: TID251
    done, _ = await asyncio.wait({following}, timeout=0.2)
    assert not done
    assert playing.is_paused
    playing.resume()
    assert (await asyncio.wait_for(following, 20)).offset == 40


async def test_garbage_is_told() -> None:
    async def garbage() -> AsyncIterator[bytes]:
        yield b"not a recording, whatever it is"

    with pytest.raises(DamagedRecording):
        [frame async for frame in read_frames(garbage())]
