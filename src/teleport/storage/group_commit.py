"""Group commit: all work that waits is staged together on the loop and committed by one thread: one fsync for many.

Only the commit is in the thread: each statement there would give up the interpreter's lock and have to win it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from teleport.foundation.errors import TeleportError, Unavailable

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")

_MOST_JOBS = 512
_SWITCH_INTERVAL = 0.0005


class GroupCommit(Generic[Job, Outcome]):
    """Jobs in the order of `submit`. Belongs to the event loop in which it was made.

    `stage` runs on the loop and waits for nothing: one outcome, or one error, per job; what it raises is everybody's.
    `commit` runs in the thread and makes durable what was staged, or raises.
    `settle` runs on the loop, with what went wrong in either, before anybody learns the outcome.
    """

    def __init__(
        self,
        name: str,
        stage: Callable[[list[Job]], list[Outcome | TeleportError]],
        commit: Callable[[], None],
        settle: Callable[[TeleportError | None], None],
    ) -> None:
        self._name = name
        self._stage = stage
        self._commit = commit
        self._settle = settle
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Job, asyncio.Future[Outcome]]] = deque()
        self._is_at_work = False
        self._is_closed = False
        self._ended = self._loop.create_future()
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # A loop that gives up the interpreter's lock for an instant more often than once an interval keeps it from
        # every thread that waits: with the default of 5 ms a commit beside a busy loop was seen to wait for seconds.
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL))
        # a daemon: an interpreter that ends without close() must not hang on it
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def submit(self, job: Job) -> Outcome:
        """Returns when the job is committed. Cancelled, it may be committed all the same."""
        if self._is_closed:
            raise Unavailable(f"{self._name} is closed")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.append((job, future))
        if not self._is_at_work:
            self._is_at_work = True
            self._loop.call_soon(self._begin)  # soon, not now: whoever else is ready joins
        return await future

    async def close(self) -> None:
        """Commits what was submitted, then ends the thread."""
        if not self._is_closed:
            self._is_closed = True
            if not self._is_at_work:
                self._orders.put(None)
        await asyncio.shield(self._ended)

    def _begin(self) -> None:
        count = min(len(self._waiting), _MOST_JOBS)
        batch = [self._waiting.popleft() for _ in range(count)]
        futures = [future for _, future in batch]
        try:
            outcomes = self._stage([job for job, _ in batch])
        except Exception as error:
            self._end(futures, [], self._as_error(error))
        else:
            self._orders.put(lambda: self._commit_and_tell(futures, outcomes))

    def _end(
        self,
        futures: list[asyncio.Future[Outcome]],
        outcomes: list[Outcome | TeleportError],
        failure: TeleportError | None,
    ) -> None:
        try:
            self._settle(failure)
        except Exception as error:
            failure = failure or self._as_error(error)
        for future, outcome in zip(futures, outcomes if failure is None else [failure] * len(futures), strict=True):
            if not future.done():
                _resolve(future, outcome)
        if self._waiting:
            self._loop.call_soon(self._begin)
        else:
            self._is_at_work = False
            if self._is_closed:
                self._orders.put(None)

    def _as_error(self, error: Exception) -> TeleportError:
        if isinstance(error, TeleportError):
            return error
        failure = Unavailable(f"{self._name}: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure

    # What follows runs in the thread.

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            order()
        self._call_loop(self._tell_ended)

    def _commit_and_tell(
        self, futures: list[asyncio.Future[Outcome]], outcomes: list[Outcome | TeleportError]
    ) -> None:
        failure: TeleportError | None = None
        try:
            self._commit()
        except Exception as error:
            failure = self._as_error(error)
        self._call_loop(lambda: self._end(futures, outcomes, failure))

    def _tell_ended(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _call_loop(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(function)


def _resolve(future: asyncio.Future[Outcome], outcome: Outcome | TeleportError) -> None:
    if isinstance(outcome, TeleportError):
        # an error object of its own for each: tracebacks must not pile up on a shared one
        error = type(outcome)(outcome.message, event_id=outcome.event_id)
        error.__cause__ = outcome.__cause__
        future.set_exception(error)
    else:
        future.set_result(outcome)
