"""Asks the kernel what the processes of sessions do, through one bpftrace for all, and hands each its own.

A session enters with a cgroup of its own, which its first process joins before it becomes the user. What it leaves
running stays known until the last of its processes is gone. When bpftrace dies, no session that must be watched goes
on unwatched: each is told, and none enters until the next one watches.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from teleport.engines.kernel_recording.lines import (
    Command,
    Connected,
    Exit,
    Line,
    LineReader,
    Lost,
    Opened,
    Ready,
    Seen,
    Tick,
)
from teleport.engines.kernel_recording.program import DISK_PREFIX, MAX_TASKS, TEXT_SIZE, program_for
from teleport.engines.kernel_recording.requirements import KernelSettings, make_ready
from teleport.foundation import metrics
from teleport.foundation.errors import Unavailable, Unsupported
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff

log = get_logger("kernel")

_LOST = metrics.counter("kernel_recording_lost_events", "Events of the kernel that never arrived here")

STOPPED = "the kernel no longer tells what this session does"
_START_TIMEOUT = 60.0
_SETTLE_TIMEOUT = 3.0
_MAX_LINE = 1 << 20
_SWEEP_TICKS = 20
_KIND = {"command": (Command, Exit), "disk": (Opened,), "network": (Connected,)}


class Watch:
    """One session as the kernel sees it. `saw` is called for each thing of a kind that is wanted."""

    def __init__(
        self, recorder: KernelRecorder, folder: Path, kinds: Sequence[str], saw: Callable[[Seen | Lost], None],
        stopped: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.folder = folder
        self.id = folder.stat().st_ino
        self.is_left = False
        self.stopped = stopped
        self._recorder = recorder
        self._saw = saw
        self._wanted = tuple(one for kind in kinds for one in _KIND[kind])

    def take(self, seen: Seen) -> None:
        if isinstance(seen, self._wanted):
            self._saw(seen)

    def lose(self, lost: Lost) -> None:
        self._saw(lost)

    def leave(self) -> None:
        """The session is over; what it left running is told to `saw` until it ends."""
        self.is_left = True

    async def settled(self) -> None:
        """Return when all that has happened by now was told."""
        await self._recorder.settled()


class KernelRecorder:
    """A Service. `prepare` first: it raises where this host cannot do it."""

    name = "kernel recording"

    def __init__(self, settings: KernelSettings) -> None:
        self._settings = settings
        self._bpftrace = ""
        self._watches: dict[int, Watch] = {}
        self._is_watching = False
        self._ticks = 0
        self._ticked = asyncio.Event()

    async def prepare(self) -> None:
        """Raises Unsupported with what is missing."""
        self._bpftrace = await asyncio.to_thread(make_ready, self._settings)

    def enter(
        self, sid: str, kinds: Sequence[str], saw: Callable[[Seen | Lost], None], stopped: Callable[[str], None]
    ) -> Watch:
        """Begin to watch a session: its first process has to join `folder`. Raises Unavailable."""
        if not self._is_watching:
            raise Unavailable("this node cannot ask its kernel at present, which your roles require: try again later")
        folder = self._settings.folder / (DISK_PREFIX + sid if "disk" in kinds else sid)
        try:
            folder.mkdir()
            watch = Watch(self, folder, kinds, saw, stopped)
        except OSError as error:
            raise Unavailable(f"this node cannot make a cgroup for the session: {error.strerror}") from error
        self._watches[watch.id] = watch
        return watch

    async def settled(self) -> None:
        """Two ticks, as the first may have been on its way already."""
        wanted = self._ticks + 2
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_TIMEOUT):
                while self._ticks < wanted and self._is_watching:
                    self._ticked.clear()
                    await self._ticked.wait()

    # -- bpftrace

    async def run(self, started: Callable[[], None]) -> None:
        await asyncio.to_thread(_sweep, self._settings.folder)
        backoff = Backoff()
        is_first = True
        while True:
            said = await self._watch(started if is_first else lambda: None)
            if is_first and not self._ticks:
                raise Unsupported(f"ssh_service.enhanced_recording is enabled, but bpftrace cannot watch: {said}")
            is_first = False
            log.error("bpftrace ended: it is started again", said=said)
            self._stop_sessions()
            await asyncio.sleep(backoff.next_delay())

    async def _watch(self, started: Callable[[], None]) -> str:
        """Run bpftrace until it ends. What it complained of."""
        with NamedTemporaryFile("w", prefix="teleport-", suffix=".bt") as script, NamedTemporaryFile() as errors:
            script.write(program_for(self._settings.root))
            script.flush()
            process = await asyncio.create_subprocess_exec(
                self._bpftrace, "-B", "line", "-f", "json", script.name,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors, limit=_MAX_LINE,
                env=self._environment(), start_new_session=True,
            )  # fmt: skip
            try:
                await self._read(process, started)
            finally:
                self._is_watching = False
                self._ticked.set()
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            errors.seek(0)
            return errors.read().decode(errors="replace").strip()[-400:] or f"exit status {process.returncode}"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "BPFTRACE_STRLEN": str(TEXT_SIZE),
            "BPFTRACE_MAP_KEYS_MAX": str(MAX_TASKS),
            "BPFTRACE_PERF_RB_PAGES": str(self._settings.pages),
        }

    async def _read(self, process: asyncio.subprocess.Process, started: Callable[[], None]) -> None:
        assert process.stdout is not None
        reader = LineReader()
        while True:
            try:
                wait = None if self._is_watching else _START_TIMEOUT
                line = await asyncio.wait_for(process.stdout.readline(), wait)
            except (TimeoutError, ValueError):
                return
            if not line:
                return
            if line.isspace():
                continue
            for seen in reader.feed(line):
                if isinstance(seen, Ready):
                    self._is_watching = True
                    started()
                else:
                    self._take(seen)

    def _take(self, seen: Line) -> None:
        match seen:
            case Tick():
                self._ticks += 1
                self._ticked.set()
                if self._ticks % _SWEEP_TICKS == 0:
                    self._forget()
            case Lost(count):
                _LOST.inc(count)
                log.error("events of the kernel were lost", count=count)
                for watch in tuple(self._watches.values()):
                    watch.lose(seen)
            case Command() | Exit() | Opened() | Connected():
                watch_of = self._watches.get(seen.session)
                if watch_of is not None:
                    watch_of.take(seen)
            case Ready():
                pass

    # -- sessions that are over

    def _forget(self) -> None:
        """Sessions that are over and have left nothing running."""
        for number, watch in tuple(self._watches.items()):
            if watch.is_left and _removed(watch.folder):
                del self._watches[number]

    def _stop_sessions(self) -> None:
        for watch in tuple(self._watches.values()):
            if not watch.is_left:
                watch.stopped(STOPPED)
        # what runs on from here is no longer marked in the kernel
        self._watches = {number: watch for number, watch in self._watches.items() if not watch.is_left}


def _sweep(folder: Path) -> None:
    """Remove the cgroups that an earlier run left behind, as far as nothing runs in them."""
    for entry in folder.iterdir():
        if entry.is_dir():
            _removed(entry)


def _removed(folder: Path) -> bool:
    """Remove a cgroup with those made inside of it. False while something runs there."""
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            os.rmdir(path)
    except OSError:
        return False
    return True
