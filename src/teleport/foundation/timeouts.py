"""`asyncio.timeout` as it is from Python 3.11.3 on, for the versions before; Debian 12 has 3.11.2.

There a time limit inside the clean-up of a cancelled task took that cancellation for its own and broke the clean-up
off (CPython issue 102780). Every drain of ours is such a clean-up. Importing this module is enough.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import Self


class MendedTimeout(asyncio.timeouts.Timeout):  # type: ignore[misc]
    """Its own expiry is a TimeoutError, also where the task had been cancelled before."""

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        self._cancelled_before = task.cancelling() if task is not None else 0
        await super().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        had_expired = self.expired()
        await super().__aexit__(kind, problem, trace)
        task = asyncio.current_task()
        is_ours = task is not None and task.cancelling() <= self._cancelled_before
        if had_expired and is_ours and kind is asyncio.CancelledError:
            raise TimeoutError from problem


if sys.version_info < (3, 11, 3):
    asyncio.timeouts.Timeout = MendedTimeout  # type: ignore[misc]
