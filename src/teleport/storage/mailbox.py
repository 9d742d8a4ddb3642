"""A bounded queue from one loop's callbacks to one waiting reader. Its writer never waits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from teleport.foundation.errors import TeleportError

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Messages in order, then its end: quietly, with a last message, or with an error."""

    def __init__(self, most_messages: int, most_bytes: int = 0) -> None:
        """`most_bytes` 0: not counted."""
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._messages: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: TeleportError | None = None
        self.is_ended = False

    def put(self, message: T, size: int = 0) -> None:
        """It may now be too full: ask `is_overfull`."""
        if not self.is_ended:
            self._messages.append((message, size))
            self._bytes += size
            self._wake()

    @property
    def is_overfull(self) -> bool:
        return len(self._messages) > self._most_messages or 0 < self._most_bytes < self._bytes

    def end(self, failure: TeleportError | None = None) -> None:
        """Nothing more will come; what is in it may still be taken, then `failure` is raised."""
        self.is_ended = True
        self._failure = failure
        self._wake()

    def end_with(self, last: T) -> None:
        """Throw away what is in it and leave one last message."""
        self.discard()
        self.put(last)
        self.end()

    def discard(self) -> None:
        self._messages.clear()
        self._bytes = 0

    async def take(self) -> T:
        """The next message. Raises StopAsyncIteration at its end, or what it ended with. One reader at a time."""
        while not self._messages:
            if self._failure is not None:
                raise type(self._failure)(self._failure.message)
            if self.is_ended:
                raise StopAsyncIteration
            assert self._waiter is None, "a mailbox has one reader"
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, size = self._messages.popleft()
        self._bytes -= size
        return message

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
