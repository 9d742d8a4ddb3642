"""Group commit: one thread takes all work that waits and commits it in one go: many writers share one fsync."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from teleport.foundation.errors import TeleportError, Unavailable

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")

_MOST_JOBS = 512


class GroupCommit(Generic[Job, Outcome]):
    """Jobs in the order of `submit`. Belongs to the event loop in which it was made.

    `commit` runs in the thread: one outcome, or one error, per job; an error it raises is everybody's.
    `before_delivery` runs on the loop after each commit and before anybody learns the outcome.
    """

    def __init__(
        self,
        name: str,
        commit: Callable[[list[Job]], list[Outcome | TeleportError]],
        before_delivery: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._commit = commit
        self._before_delivery = before_delivery
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[tuple[Job, asyncio.Future[Outcome]] | None] = queue.SimpleQueue()
        self._is_closed = False
        self._ended = self._loop.create_future()
        # a daemon: an interpreter that ends without close() must not hang on it
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def submit(self, job: Job) -> Outcome:
        """Returns when the job is committed. Cancelled, it may be committed all the same."""
        if self._is_closed:
            raise Unavailable(f"{self._name} is closed")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.put((job, future))
        return await future

    async def close(self) -> None:
        """Commits what was submitted, then ends the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._waiting.put(None)
        await asyncio.shield(self._ended)

    def _work(self) -> None:
        is_open = True
        while is_open:
            batch: list[tuple[Job, asyncio.Future[Outcome]]] = []
            is_open = self._gather(batch)
            if batch:
                outcomes = self._outcomes([job for job, _ in batch])
                self._call_loop(self._deliver, [future for _, future in batch], outcomes)
        self._call_loop(self._end)

    def _gather(self, batch: list[tuple[Job, asyncio.Future[Outcome]]]) -> bool:
        """Fill the batch with at least one job; False once closed."""
        entry = self._waiting.get()
        with contextlib.suppress(queue.Empty):
            while entry is not None:
                batch.append(entry)
                if len(batch) == _MOST_JOBS:
                    return True
                entry = self._waiting.get_nowait()
            return False
        return True

    def _outcomes(self, jobs: list[Job]) -> list[Outcome | TeleportError]:
        try:
            return self._commit(jobs)
        except TeleportError as error:
            return [error] * len(jobs)
        except Exception as error:
            failure = Unavailable(f"{self._name}: {type(error).__name__}: {error}")
            failure.__cause__ = error
            return [failure] * len(jobs)

    def _call_loop(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *arguments)

    def _deliver(self, futures: list[asyncio.Future[Outcome]], outcomes: list[Outcome | TeleportError]) -> None:
        self._before_delivery()
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, TeleportError):
                # an error object of its own for each: tracebacks must not pile up on a shared one
                error = type(outcome)(outcome.message, event_id=outcome.event_id)
                error.__cause__ = outcome.__cause__
                future.set_exception(error)
            else:
                future.set_result(outcome)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
