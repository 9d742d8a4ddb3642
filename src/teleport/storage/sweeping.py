"""The sweeper: what has expired is deleted soon after, without anybody asking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner

log = get_logger("storage")

INTERVAL = 1.0


class Sweeper:
    """Calls `sweep` every `interval` seconds until closed; a failure is logged when it begins, and tried again."""

    def __init__(self, sweep: Callable[[], Awaitable[object]], interval: float = INTERVAL) -> None:
        self._sweep = sweep
        self._interval = interval
        self._tasks = TaskOwner("sweeper")
        self._tasks.start(self._run())

    async def _run(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._sweep()
                is_failing = False
            except TeleportError as error:
                if not is_failing:
                    log.warning("expired items cannot be deleted, trying again", error=error)
                is_failing = True

    async def close(self) -> None:
        await self._tasks.close()
