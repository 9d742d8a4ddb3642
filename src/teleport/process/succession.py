"""A graceful restart: a new process takes the place of this one, which leaves when its last session has ended.

The successor reads the configuration, says that it is ready, and waits for the lock of the data directory, so that
one process writes at any time. Only then does this one stop: a successor that fails changes nothing. Listening
sockets are handed on, so that nobody finds the port closed in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys

import msgspec

from teleport.foundation.logs import get_logger
from teleport.net.listener import inheritance

log = get_logger("process")

VARIABLE = "TELEPORT_SUCCESSION"
READY_WITHIN = 30.0


class Legacy(msgspec.Struct, frozen=True):
    """What a successor finds in its environment: whom it follows, where to say that it is ready, and the sockets."""

    parent: int
    ready: int
    sockets: tuple[int, ...]


class Succession:
    """This process in the line of those that follow each other."""

    def __init__(self, ready: int | None) -> None:
        self._ready = ready
        self._is_under_way = False

    @property
    def is_successor(self) -> bool:
        return self._ready is not None

    @classmethod
    def from_environment(cls) -> Succession:
        """Takes over what the process before left, if this one follows another."""
        text = os.environ.pop(VARIABLE, "")
        try:
            legacy = msgspec.json.decode(text, type=Legacy)
        except msgspec.DecodeError:
            return cls(None)
        if legacy.parent != os.getppid():
            return cls(None)
        for descriptor in (legacy.ready, *legacy.sockets):
            os.set_inheritable(descriptor, False)
        inheritance.receive(legacy.sockets)
        return cls(legacy.ready)

    def say_ready(self) -> None:
        """The process before may stop now."""
        if self._ready is not None:
            with contextlib.suppress(OSError):
                os.write(self._ready, b"ready")
            os.close(self._ready)

    async def start_successor(self) -> bool:
        """Start the same program with the same arguments. False when it does not come up, or is coming already."""
        if self._is_under_way:
            log.warning("a successor is being started already")
            return False
        self._is_under_way = True
        listening, writing = os.pipe()
        sockets = inheritance.descriptors()
        try:
            successor = _start(Legacy(os.getpid(), writing, tuple(sockets)))
            self._is_under_way = await _is_ready(listening)
        finally:
            os.close(listening)
        if not self._is_under_way:
            successor.kill()
            await asyncio.to_thread(successor.wait)
            log.error("the successor did not come up; going on", pid=successor.pid, status=successor.returncode)
            return False
        log.info("successor is ready", pid=successor.pid)
        return True


def _start(legacy: Legacy) -> subprocess.Popen[bytes]:
    environment = {**os.environ, VARIABLE: msgspec.json.encode(legacy).decode()}
    command = [sys.executable, *sys.orig_argv[1:]]  # what this process was started with
    passed = (legacy.ready, *legacy.sockets)
    try:
        return subprocess.Popen(command, env=environment, pass_fds=passed, start_new_session=True)  # noqa: S603
    finally:
        os.close(legacy.ready)


async def _is_ready(descriptor: int) -> bool:
    """Whether something is said before the other end closes, or the time is over."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def hear() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(descriptor, hear)
    try:
        async with asyncio.timeout(READY_WITHIN):
            await readable
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return bool(os.read(descriptor, 16))
