"""Asks the kernel what the processes of sessions do, through one bpftrace for all, and hands each its own.

A session enters with a cgroup of its own, which its first process joins before it becomes the user. What it leaves
running stays known until the last of its threads is gone. When bpftrace dies, sessions that may not go on unwatched
end with all that runs in them; the others are told, and what still runs in their cgroups is watched again by the next
bpftrace. Each bpftrace proves itself first on a small program of our own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from teleport.engines.kernel_recording import groups
from teleport.engines.kernel_recording.groups import SessionGroups
from teleport.engines.kernel_recording.lines import Line, Lost, Marked, Ready, Tick
from teleport.engines.kernel_recording.requirements import Bpftrace, KernelSettings
from teleport.engines.kernel_recording.seen import Command, Connected, Exit, Opened, Seen, Unmarked
from teleport.engines.kernel_recording.sequence import Sequence
from teleport.engines.kernel_recording.tracer import Tracer
from teleport.foundation import metrics
from teleport.foundation.errors import Unavailable, Unsupported
from teleport.foundation.logs import get_logger
from teleport.foundation.retry import Backoff
from teleport.session.emitter import Emitter

log = get_logger("kernel")

_LOST = metrics.counter("kernel_recording_lost_events", "Events of the kernel that never arrived here")

BLIND = "the kernel no longer tells what this session does"
_PROOF = 'echo 0 >"$0/cgroup.procs" && exec cat "$0/cgroup.procs"'
_PROOF_TIMEOUT = 20.0
_SETTLE_TIMEOUT = 3.0
_SLACK = 0.1
"""Seconds by which the clocks of the kernel and of this process may be thought nearer than they are."""
_DRAIN_TIMEOUT = 10.0
_DRAIN_SLACK = 1.5
"""Of what a processor had no room for, it tells with the next that it tells: within a second where it works."""
_SECOND_TICKS = 10
_FORGET_TICKS = 50
_AT_ONCE = 100
"""So many events are told before others have their turn."""
_KIND = {"command": (Command, Exit), "disk": (Opened,), "network": (Connected,)}


class Listener(Protocol):
    """A session that is watched."""

    def saw(self, seen: Seen, age: float) -> None:
        """So many seconds ago."""
        ...

    def lost(self, count: int) -> None:
        """So many things of this session or of others never arrived."""
        ...

    def blinded(self, reason: str) -> None:
        """Nothing is told from here on. A strict session has to end."""
        ...

    def sighted(self) -> None:
        """What runs is told again."""
        ...


class Watch:
    """One session as the kernel sees it. Its first process has to join `folder`."""

    def __init__(self, folder: Path, kinds: Collection[str], listener: Listener, *, is_strict: bool) -> None:
        self.folder = folder
        self.id = folder.stat().st_ino
        self.is_strict = is_strict
        self.is_left = False
        self.gone = 0
        """When nothing of it ran any more, by our clock in nanoseconds; 0 while something may."""
        self.listener = listener
        self._wanted = tuple(one for kind in kinds for one in _KIND[kind])

    def take(self, seen: Seen, age: float) -> None:
        if isinstance(seen, self._wanted):
            self.listener.saw(seen, age)

    def leave(self) -> None:
        """The session is over; what it left running is told until it ends."""
        self.is_left = True


class KernelRecorder:
    """A Service. `bpftrace` is what `requirements.make_ready` found."""

    name = "kernel recording"

    def __init__(self, settings: KernelSettings, bpftrace: Bpftrace, host_id: str, emitter: Emitter) -> None:
        self._settings = settings
        self._bpftrace = bpftrace
        self._emitter = emitter
        self._groups = SessionGroups(settings, host_id)
        self._watches: dict[int, Watch] = {}
        self._order = Sequence()
        self._is_watching = False
        self._lost = 0
        self._ticks = 0
        self._tick = 0, 0.0
        self._told_until = 0
        """By the kernel's clock: all before it was told."""
        self._ahead: int | None = None
        """Nanoseconds from the kernel's clock to ours, which differ where this process has a time namespace."""
        self._ticked = asyncio.Event()

    def enter(self, sid: str, kinds: Collection[str], listener: Listener, *, is_strict: bool) -> Watch:
        """Begin to watch a session. Raises Unavailable where it is strict, and cannot be."""
        if is_strict and not self._is_watching:
            raise Unavailable("this node cannot ask its kernel at present, which your roles require: try again later")
        try:
            folder = self._groups.make(sid, has_files="disk" in kinds, is_strict=is_strict)
            watch = Watch(folder, kinds, listener, is_strict=is_strict)
        except OSError as error:
            raise Unavailable(f"this node cannot make a cgroup for the session: {error.strerror}") from error
        self._watches[watch.id] = watch
        if not self._is_watching:
            listener.blinded(BLIND)
        return watch

    async def settled(self, timeout: float = _SETTLE_TIMEOUT, slack: float = _SLACK) -> bool:
        """Return when all that has happened by now was told. False when that takes too long, or nobody watches."""
        now = time.monotonic_ns()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._is_watching and not self._is_told(now, slack):
                    self._ticked.clear()
                    await self._ticked.wait()
        return self._is_told(now, slack)

    def _is_told(self, moment: int, slack: float) -> bool:
        """Whether all was told that happened until then, by our clock in nanoseconds, and so many seconds longer."""
        return self._told_until >= moment - (self._ahead or 0) + int(slack * 1e9)

    # -- bpftrace

    async def run(self, started: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(self._groups.open)
        except OSError as error:
            raise Unsupported(f"ssh_service.enhanced_recording is enabled, but has no cgroups: {error}") from error
        watching = asyncio.get_running_loop().create_task(self._watch(started), name=self.name)
        try:
            await asyncio.wait({watching})
            await watching
        finally:
            if not watching.done():
                await self._drain()
                watching.cancel()
                await asyncio.wait({watching})
            await asyncio.to_thread(self._groups.close)

    async def _watch(self, started: Callable[[], None]) -> None:
        backoff = Backoff()
        has_begun = False
        while True:
            has_watched, said = await self._trace(started if not has_begun else lambda: None)
            if has_watched:
                has_begun = True
                backoff.reset()
            if not has_begun:
                raise Unsupported(f"ssh_service.enhanced_recording is enabled, but bpftrace cannot watch: {said}")
            log.error("bpftrace ended: it is started again", said=said)
            await asyncio.sleep(backoff.next_delay())

    async def _drain(self) -> None:
        """Tell what happened before this is stopped: the kernel's buffers, the pipe and `_order` still hold some."""
        if not self._is_watching:
            return
        is_whole = await self.settled(_DRAIN_TIMEOUT, _DRAIN_SLACK)
        self._tell_lost()
        if not is_whole:
            log.error("what the kernel told last is missing in the log: it could not be read in time")
            for watch in tuple(self._watches.values()):
                watch.listener.blinded(BLIND)

    async def _trace(self, started: Callable[[], None]) -> tuple[bool, str]:
        """Run one bpftrace. Whether it ever watched, and why it ended."""
        tracer = Tracer(self._bpftrace, self._groups.root, self._settings.pages)
        proof: asyncio.Task[str] | None = None
        has_watched = False

        def proved(task: asyncio.Task[str]) -> None:
            nonlocal has_watched
            if task.cancelled() or task.result():
                tracer.stop()
                return
            has_watched = True
            self._see()
            started()

        async def take(lines: list[Line]) -> None:
            nonlocal proof
            for line in lines:
                if isinstance(line, Ready):
                    proof = asyncio.get_running_loop().create_task(self._prove())
                    proof.add_done_callback(proved)
                else:
                    await self._take(line, tracer)

        try:
            said = await tracer.run(take)
        finally:
            if proof is not None:
                proof.cancel()
            self._is_watching = False
            self._ticked.set()
        await self._tell(self._order.rest())
        problem = proof.result() if proof is not None and proof.done() and not proof.cancelled() else ""
        if has_watched:
            self._go_blind()
        return has_watched, problem or said

    async def _prove(self) -> str:
        """Whether what a program of our own does is told. The problem; empty when there is none."""
        proof = _Proof()
        try:
            folder = self._groups.make("proof", has_files=True, is_strict=False)
        except OSError as error:
            return f"no cgroup can be made: {error}"
        watch = Watch(folder, tuple(_KIND), proof, is_strict=False)
        watch.leave()
        self._watches[watch.id] = watch
        try:
            async with asyncio.timeout(_PROOF_TIMEOUT):
                process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", _PROOF, str(folder),
                    stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
                status = await process.wait()
                if status != 0:
                    return f"a program cannot enter {folder}"
                await proof.whole.wait()
        except TimeoutError:
            return f"what a program in {folder} does is not told"
        except OSError as error:
            return f"no program can be started: {error}"
        finally:
            del self._watches[watch.id]
            groups.remove(folder)
        return ""

    def _see(self) -> None:
        self._is_watching = True
        for watch in tuple(self._watches.values()):
            if not watch.is_strict:
                groups.mark_again(watch.folder)
                watch.listener.sighted()

    def _go_blind(self) -> None:
        for watch in tuple(self._watches.values()):
            watch.listener.blinded(BLIND)
            if watch.is_strict:
                groups.kill(watch.folder)
                watch.leave()

    # -- what it tells

    async def _take(self, line: Line, tracer: Tracer) -> None:
        match line:
            case Tick(at):
                self._tick = at, time.monotonic()
                ahead = time.monotonic_ns() - at
                self._ahead = ahead if self._ahead is None else min(self._ahead, ahead)
                await self._tell(self._order.tick(at))
                self._told_until = self._order.complete
                self._ticks += 1
                self._ticked.set()
                if self._ticks % _SECOND_TICKS == 0:
                    self._lost += tracer.passed_over()
                    self._tell_lost()
                    self._look_around(tracer)
                    self._forget()
            case Lost(count):
                self._lost += count
            case Marked(sessions):
                self._note_gone(sessions)
            case Command() | Exit() | Opened() | Connected() | Unmarked():
                await self._tell(self._order.add(line))

    async def _tell(self, happened: list[Seen]) -> None:
        """No faster than the log keeps up."""
        for begin in range(0, len(happened), _AT_ONCE):
            for seen in happened[begin : begin + _AT_ONCE]:
                watch = self._watches.get(seen.session)
                if watch is None:
                    continue
                if isinstance(seen, Unmarked):
                    self._lose_thread(seen, watch)
                else:
                    watch.take(seen, self._age(seen))
            await asyncio.sleep(0)
            await self._emitter.caught_up()

    def _age(self, seen: Seen) -> float:
        at, heard = self._tick
        return max(0.0, (at - seen.at) / 1e9 + time.monotonic() - heard)

    def _lose_thread(self, seen: Unmarked, watch: Watch) -> None:
        log.error("a thread cannot be followed: there are too many", pid=seen.pid, session=watch.folder.name)
        watch.listener.blinded(f"the kernel cannot follow all that this session runs (process {seen.pid})")
        if watch.is_strict:
            groups.kill(watch.folder)
            watch.leave()

    def _tell_lost(self) -> None:
        if self._lost:
            count, self._lost = self._lost, 0
            _LOST.inc(count)
            log.error("events of the kernel were lost", count=count)
            for watch in tuple(self._watches.values()):
                watch.listener.lost(count)

    # -- sessions that are over

    def _look_around(self, tracer: Tracer) -> None:
        left = [watch for watch in self._watches.values() if watch.is_left]
        for watch in left:
            groups.remove(watch.folder)
        if left and self._is_watching and self._ticks % _FORGET_TICKS == 0:
            tracer.ask_marks()

    def _note_gone(self, running: frozenset[int]) -> None:
        """Sessions that are over may have left something running, in their cgroup or elsewhere."""
        now = time.monotonic_ns()
        for number, watch in self._watches.items():
            watch.gone = (watch.gone or now) if watch.is_left and number not in running else 0

    def _forget(self) -> None:
        """Sessions of which all was told, also how much was lost: what is told late still finds its own."""
        for number, watch in tuple(self._watches.items()):
            if watch.gone and self._is_told(watch.gone, _DRAIN_SLACK) and groups.remove(watch.folder):
                del self._watches[number]


class _Proof:
    """Hears what the program of the proof does. A Listener."""

    def __init__(self) -> None:
        self._heard: set[type[Seen]] = set()
        self.whole = asyncio.Event()

    def saw(self, seen: Seen, age: float) -> None:
        self._heard.add(type(seen))
        if {Command, Opened, Exit} <= self._heard:
            self.whole.set()

    def lost(self, count: int) -> None:
        """It may never hear all; then its time runs out."""

    def blinded(self, reason: str) -> None:
        """As with `lost`."""

    def sighted(self) -> None:
        """It is not there by then."""
