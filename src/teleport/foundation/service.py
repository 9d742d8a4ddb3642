"""Services and who owns them. Tasks never float: each belongs to a Supervisor or to a TaskOwner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from teleport.foundation.logs import get_logger

log = get_logger("service")


class Service(Protocol):
    """Runs until cancelled. Calls `started` once, when it can serve; cancelled, it drains and returns."""

    name: str

    async def run(self, started: Callable[[], None]) -> None: ...


class Supervisor:
    """Starts services in order, each after the one before has started, and stops them in the reverse order.

    A stopping service gets `drain_timeout` seconds.

    `run` returns when `stop` was called, and raises the first failure of a service after stopping all others.
    """

    def __init__(self, services: list[Service], drain_timeout: float = 30.0) -> None:
        self._services = services
        self.drain_timeout = drain_timeout
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for a clean stop; `run` returns when every service has drained or ran out of time."""
        self._stopping.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        running: list[tuple[str, asyncio.Task[None]]] = []
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
            for name, task in reversed(running):
                problem = await self._end(name, task)
                failure = failure or problem
        if failure is not None:
            raise failure

    async def _end(self, name: str, task: asyncio.Task[None]) -> BaseException | None:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=self.drain_timeout)
        if not task.done():
            log.warning("service did not stop in time", service=name)
            return None
        if task.cancelled():
            return None
        problem = task.exception()
        if problem is None and not self._stopping.is_set():
            return RuntimeError(f"service {name} ended by itself")
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

    async def close(self, grace: float = 0.0) -> None:
        """Wait up to `grace` seconds for tasks to end by themselves, then cancel and await the rest."""
        if grace and self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)
        remaining = set(self._tasks)
        for task in remaining:
            task.cancel()
        if remaining:
            # not `await task`: its cancellation could not be told from the caller's own, which must not be lost
            await asyncio.wait(remaining)
