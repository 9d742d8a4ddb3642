"""A recording on the terminal: frames at their time, and the keys that pause, seek and change the speed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from teleport.client import terminal
from teleport.foundation.clock import SystemClock
from teleport.session.player import SPEEDS, Player
from teleport.wire.recording import Printed

FORMATS = ("pty", "text", "json", "yaml")
_STEP = timedelta(seconds=10)
_KEYS = {b"\x1b[D": "back", b"\x1b[C": "forward", b"\x1b[A": "faster", b"\x1b[B": "slower"}
INTERRUPTED = 130
_LETTERS = {b" ": "pause", b"p": "pause", b"q": "quit", b"\x03": "interrupt", b"+": "faster", b"-": "slower"}


class Source:
    """The recording's bytes, fetched once, readable from the start again."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._kept: list[bytes] = []
        self._is_whole = False
        self._fetching = asyncio.Lock()

    async def read(self) -> AsyncIterator[bytes]:
        index = 0
        while True:
            if index == len(self._kept) and not self._is_whole:
                async with self._fetching:
                    await self._fetch(index)
            if index == len(self._kept):
                return
            yield self._kept[index]
            index += 1

    async def _fetch(self, index: int) -> None:
        if index < len(self._kept) or self._is_whole:
            return
        piece = await asyncio.to_thread(next, self._pieces, None)
        if piece is None:
            self._is_whole = True
        else:
            self._kept.append(piece)


class Controls:
    """Keys become calls of the player."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.quit = asyncio.Event()
        self.is_interrupted = False

    def press(self, typed: bytes) -> None:
        """The bytes of one or several keys."""
        while typed:
            word, size = self._next(typed)
            typed = typed[size:]
            match word:
                case "pause" if self._player.is_paused:
                    self._player.resume()
                case "pause":
                    self._player.pause()
                case "back":
                    self._player.seek(max(timedelta(), self._player.position - _STEP))
                case "forward":
                    self._player.seek(self._player.position + _STEP)
                case "faster":
                    self._player.set_speed(next((s for s in SPEEDS if s > self._player.speed), SPEEDS[-1]))
                case "slower":
                    self._player.set_speed(next((s for s in reversed(SPEEDS) if s < self._player.speed), SPEEDS[0]))
                case "quit" | "interrupt":
                    self.is_interrupted = word == "interrupt"
                    self.quit.set()

    @staticmethod
    def _next(typed: bytes) -> tuple[str, int]:
        if typed[:3] in _KEYS:
            return _KEYS[typed[:3]], 3
        return _LETTERS.get(typed[:1], ""), 1


def play_on_terminal(pieces: Iterator[bytes], speed: float, *, skip_idle: bool) -> int:
    """Play to standard output until the end or `q`. The exit status: 130 after Ctrl-C."""
    return asyncio.run(_play(pieces, speed, skip_idle))


async def _play(pieces: Iterator[bytes], speed: float, skip_idle: bool) -> int:
    source = Source(pieces)
    player = Player(source.read, SystemClock(), speed, skip_idle)
    controls = Controls(player)
    loop = asyncio.get_running_loop()
    has_keys = sys.stdin.isatty()
    with terminal.raw(0):
        if has_keys:
            loop.add_reader(0, lambda: controls.press(os.read(0, 64)))
        try:
            showing = loop.create_task(_show(player))
            leaving = loop.create_task(controls.quit.wait())
            await asyncio.wait({showing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if not showing.done():
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)
            else:
                showing.result()
        finally:
            if has_keys:
                loop.remove_reader(0)
    terminal.restore_on_error()
    if sys.stdout.isatty():
        print()
    return INTERRUPTED if controls.is_interrupted else 0


async def _show(player: Player) -> None:
    async for frame in player.frames():
        if isinstance(frame, Printed):
            sys.stdout.buffer.write(frame.data)
            sys.stdout.buffer.flush()
