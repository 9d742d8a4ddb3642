"""That a program was hung up: its client has gone, perhaps before it ever started."""

from __future__ import annotations

import asyncio
from typing import Any


class HangUp:
    """Comes once. `future` is for those who wait for several things."""

    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def has_come(self) -> bool:
        return self.future.done()

    def come(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    async def cuts_short(self, waiting: asyncio.Task[Any]) -> bool:
        """Wait for something else, and no longer than until the hang-up, which True tells."""
        try:
            await asyncio.wait({waiting, self.future}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return self.has_come
