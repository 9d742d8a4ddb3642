"""One process from its settings to its end: lock, pid file, logs, signals.

SIGTERM and SIGINT stop it: new connections are refused, running sessions get a little time. SIGQUIT gives them as
long as they need. SIGHUP starts a successor that takes over, and when that is ready ends like SIGQUIT. SIGUSR1 logs
diagnostics.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from teleport.foundation import descriptors, heap, logs
from teleport.foundation.errors import BadParameter
from teleport.foundation.logs import get_logger
from teleport.foundation.service import Supervisor, TaskOwner
from teleport.process import data_dir
from teleport.process.build import DRAIN, Building
from teleport.process.config import Settings
from teleport.process.config.settings import LogSettings
from teleport.process.succession import Succession

log = get_logger("process")

DRAIN_GRACEFULLY = 30 * 3600.0
PARTING = 25.0
"""Seconds beyond the time of sessions that a service is given to end, before it is left behind."""


def run_process(settings: Settings) -> int:
    """The exit status: 0 for a clean stop. Raises one of our errors for what keeps it from starting."""
    os.umask(0o077)
    descriptors.raise_limit()
    heap.keep_spare_memory()
    data_dir.prepare(settings.data_dir)
    succession = Succession.from_environment()
    succession.say_ready()
    with (
        _logging(settings.log),
        data_dir.locked(settings.data_dir, wait=succession.is_successor) as lock,
        _pid_file(settings.pid_file, lock),
        _runner() as runner,
    ):
        for line in settings.idle:
            log.warning("a key of the configuration changes nothing", key=line)
        runner.run(_serve(settings, succession, lock))
    return 0


async def _serve(settings: Settings, succession: Succession, lock: data_dir.Lock) -> None:
    loop = asyncio.get_running_loop()
    async with Building(settings) as building:
        supervisor = Supervisor(building.services, drain_timeout=DRAIN + PARTING)
        signals = _Signals(supervisor, building, succession, lock, settings.shutdown_delay.total_seconds())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
            loop.add_signal_handler(number, signals.receive, number)
        try:
            await supervisor.run(building.started)
        finally:
            await signals.close()
    log.info("stopped")


class _Signals:
    """What each signal does. One that comes later may still shorten the time that sessions are given."""

    def __init__(
        self, supervisor: Supervisor, building: Building, succession: Succession, lock: data_dir.Lock, delay: float
    ) -> None:
        self._supervisor = supervisor
        self._building = building
        self._succession = succession
        self._lock = lock
        self._delay = delay
        self._tasks = TaskOwner("succession")

    def receive(self, number: signal.Signals) -> None:
        log.info("signal received", signal=signal.Signals(number).name)
        if number == signal.SIGUSR1:
            self._building.log_diagnostics()
        elif number == signal.SIGHUP:
            self._tasks.start(self._hand_over())
        else:
            self._drain_for(DRAIN_GRACEFULLY if number == signal.SIGQUIT else DRAIN)
            # by `shutdown_delay` load balancers learn of it before connections are refused
            asyncio.get_running_loop().call_later(self._delay, self._supervisor.stop)

    async def close(self) -> None:
        await self._tasks.close()

    def _drain_for(self, seconds: float) -> None:
        self._supervisor.drain_timeout = seconds + PARTING
        self._building.drain_for(seconds)

    async def _hand_over(self) -> None:
        """Stop what another process does from now on, and let it begin; sessions go on here until they end."""
        if not await self._succession.start_successor():
            return
        self._drain_for(DRAIN_GRACEFULLY)
        self._supervisor.stop(together=True)
        await self._supervisor.ended(self._building.writers)
        await self._building.release()
        self._lock.release()
        log.info("handed over; running sessions may go on")


def _runner() -> asyncio.Runner:
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


@contextlib.contextmanager
def _logging(settings: LogSettings) -> Iterator[None]:
    names = {"stdout": sys.stdout, "out": sys.stdout, "1": sys.stdout}
    names |= {"stderr": sys.stderr, "err": sys.stderr, "error": sys.stderr, "2": sys.stderr}
    if settings.output in names:
        logs.configure(settings.level, settings.form, names[settings.output])
        yield
        return
    if settings.output == "syslog":
        raise BadParameter("log output syslog is known, and not built yet: use stderr under systemd, or a path")
    path = Path(settings.output)
    try:
        file = path.open("a", encoding="utf-8", buffering=1)
    except OSError as problem:
        raise BadParameter(f"log output {path}: {problem.strerror}") from None
    with file:
        logs.configure(settings.level, settings.form, file)
        yield


@contextlib.contextmanager
def _pid_file(path: Path | None, lock: data_dir.Lock) -> Iterator[None]:
    """Removed at the end by who still has the lock: with that it became the successor's, who may be writing it."""
    if path is None:
        yield
        return
    try:
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
        path.chmod(0o644)
    except OSError as problem:
        raise BadParameter(f"pid file {path}: {problem.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if lock.is_held and path.read_text(encoding="ascii").strip() == str(os.getpid()):
                path.unlink()
