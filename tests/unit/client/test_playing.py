"""Keys of the player, and a recording that is fetched once and read from the start again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from teleport.cli.tsh.play import document
from teleport.client.playing import Controls, Source
from teleport.foundation.clock import MovedClock
from teleport.session.player import Player
from teleport.wire.recording import Printed, Resized


async def nothing() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for piece in none:
        yield piece


@pytest.fixture
def player() -> Player:
    return Player(nothing, MovedClock())


async def test_keys_steer_the_player(player: Player) -> None:
    controls = Controls(player)
    controls.press(b" ")
    paused = [player.is_paused]
    controls.press(b"p")
    assert [*paused, player.is_paused] == [True, False]
    controls.press(b"\x1b[A+")
    assert player.speed == 4.0
    controls.press(b"\x1b[B-\x1b[B-\x1b[B-")
    assert player.speed == 0.25
    controls.press(b"\x1b[Cxyz\x1b[D")
    assert not controls.quit.is_set()
    controls.press(b"q")
    assert controls.quit.is_set()


async def test_seeking_back_stops_at_the_beginning(player: Player) -> None:
    Controls(player).press(b"\x1b[D")
    assert player.position < timedelta(seconds=1)


async def test_a_source_is_fetched_once_and_read_again() -> None:
    fetched: list[int] = []

    def fetch() -> list[bytes]:
        return [bytes([number]) for number in range(3)]

    def pieces() -> Iterator[bytes]:
        for number, piece in enumerate(fetch()):
            fetched.append(number)
            yield piece

    source = Source(pieces())
    first = [piece async for piece in source.read()]
    assert first == [piece async for piece in source.read()] == fetch()
    assert fetched == [0, 1, 2]


def test_frames_for_machines() -> None:
    assert document(Printed(5, b"hi")) == {"event": "print", "ms": 5, "bytes": 2, "data": "aGk="}
    assert document(Resized(7, 80, 24)) == {"event": "resize", "ms": 7, "size": "80:24"}
