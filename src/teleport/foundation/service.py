"""Services and who owns them. Tasks never float: each belongs to a Supervisor or to a TaskOwner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol

from teleport.foundation import timeouts
from teleport.foundation.logs import get_logger

assert timeouts

log = get_logger("service")

_LOOK = 1.0
"""Seconds after which a change of the drain timeout is seen."""


class Service(Protocol):
    """Runs until cancelled. Calls `started` once, when it can serve; cancelled, it drains and returns."""

    name: str

    async def run(self, started: Callable[[], None]) -> None: ...


class Supervisor:
    """Starts services in order, each after the one before has started, and stops them in the reverse order.

    A stopping service gets `drain_timeout` seconds, which may be changed while it drains.

    `run` returns when `stop` was called, and raises the first failure of a service after stopping all others.
    """

    def __init__(self, services: list[Service], drain_timeout: float = 30.0) -> None:
        self._services = services
        self.drain_timeout = drain_timeout
        self._stopping = asyncio.Event()
        self._are_together = False
        self._running: list[tuple[str, asyncio.Task[None]]] = []

    def stop(self, *, together: bool = False) -> None:
        """Ask for a clean stop; `run` returns when every service has drained or ran out of time.

        `together`: all at once, none waits for those that stand on it. For when another process takes their place.
        """
        self._are_together = self._are_together or together
        self._stopping.set()

    async def ended(self, names: Collection[str]) -> None:
        """Returns once services of these names have ended, or if there are none."""
        if tasks := {task for name, task in self._running if name in names}:
            await asyncio.wait(tasks)

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        running = self._running
        failure: BaseException | None = None
        stop = asyncio.get_running_loop().create_task(self._stopping.wait())
        try:
            for service in self._services:
                ready = asyncio.Event()
                task = asyncio.get_running_loop().create_task(service.run(ready.set), name=service.name)
                running.append((service.name, task))
                waiter = asyncio.get_running_loop().create_task(ready.wait())
                await asyncio.wait({waiter, task, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not waiter.done():
                    waiter.cancel()
                if task.done() or self._stopping.is_set():
                    break
                log.info("service started", service=service.name)
            else:
                started()
            if not self._stopping.is_set():
                await asyncio.wait({stop, *(task for _, task in running)}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if self._are_together:
                for _, task in running:
                    task.cancel()
            for name, task in reversed(running):
                problem = await self._end(name, task)
                failure = failure or problem
        if failure is not None:
            raise failure

    async def _end(self, name: str, task: asyncio.Task[None]) -> BaseException | None:
        loop = asyncio.get_running_loop()
        if not task.done():
            if not task.cancelling():
                task.cancel()
            began = loop.time()
            while not task.done() and (left := began + self.drain_timeout - loop.time()) > 0:
                await asyncio.wait({task}, timeout=min(left, _LOOK))
        if not task.done():
            log.warning("service did not stop in time", service=name)
            return None
        if task.cancelled():
            return None
        problem = _cause(task.exception())
        if problem is None and not self._stopping.is_set():
            return RuntimeError(f"service {name} ended by itself")
        return problem


def _cause(problem: BaseException | None) -> BaseException | None:
    """What made a group of tasks fail: the first failure in it, which the others were cancelled for."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


class TaskOwner:
    """A group of tasks that may each fail alone: a failure is logged with its task's name, the others go on.

    Use it where one connection's end must not end its neighbours; use asyncio.TaskGroup where it must.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name or self._name)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("task failed", owner=self._name, task=task.get_name(), error=problem)

    async def wait(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for all tasks to end by themselves."""
        if timeout > 0 and self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)

    async def close(self, grace: float = 0.0) -> None:
        """Wait up to `grace` seconds for tasks to end by themselves, then cancel and await the rest."""
        await self.wait(grace)
        remaining = set(self._tasks)
        for task in remaining:
            task.cancel()
        if remaining:
            # not `await task`: its cancellation could not be told from the caller's own, which must not be lost
            await asyncio.wait(remaining)
