"""A session watched by the kernel: what it does becomes audit events, which the replay shows too."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import msgspec

from teleport.engines.kernel_recording.recorder import Watch
from teleport.engines.kernel_recording.seen import Command, Connected, Exit, Opened, Seen
from teleport.engines.ssh.visit import Visit
from teleport.model.events.base import Event, SessionEvent
from teleport.model.events.session import CommandExecuted, FileOpened, NetworkConnected, ProcessExited

CONNECT = 0
_GOOD_FOR = 1.0
SIGHTED = "the kernel tells again what this session does"


class KernelWatch:
    """A `recorder.Listener` that tells the log, and what is left to do of it to a replay."""

    def __init__(
        self, visit: Visit, sid: str, note: Callable[[Event], None], warn: Callable[[str, bool], None]
    ) -> None:
        self._visit = visit
        self._sid = sid
        self._note = note
        self._warn = warn
        self._numbers = itertools.count(1)
        self._common: dict[type[SessionEvent], SessionEvent] = {}
        self._are_good_until = 0.0
        self._is_blind = False
        self.is_strict = visit.admission.must_be_recorded
        self.id = 0

    def saw(self, seen: Seen, age: float) -> None:
        kind, fields = _told(seen)
        now = self._visit.post.clock.now()
        self._tell(kind, pid=seen.pid, time=now - timedelta(seconds=age), **fields)

    def lost(self, count: int) -> None:
        self._tell(CommandExecuted, error=f"{count} events of the kernel were lost on this node")

    def blinded(self, reason: str) -> None:
        self._is_blind = True
        self._tell(CommandExecuted, error=reason)
        self._warn(reason, self.is_strict)

    def sighted(self) -> None:
        if self._is_blind:
            self._is_blind = False
            self._tell(CommandExecuted, message=SIGHTED)
            self._warn(SIGHTED, False)

    def _tell(self, kind: type[SessionEvent], **fields: object) -> None:
        event = msgspec.structs.replace(self._begun(kind), ei=next(self._numbers), cgroup_id=self.id, **fields)
        told = self._visit.audit.kernel_saw(event)
        if told is not None:
            self._note(told)

    def _begun(self, kind: type[SessionEvent]) -> SessionEvent:
        """With what does not differ from one event to the next, looked up anew each second: events may be many."""
        now = self._visit.post.clock.monotonic()
        if now >= self._are_good_until:
            self._common.clear()
            self._are_good_until = now + _GOOD_FOR
        event = self._common.get(kind)
        if event is None:
            event = self._common[kind] = self._visit.audit.event_of_kernel(kind, self._sid)
        return event


def watch_session(
    visit: Visit, sid: str, note: Callable[[Event], None], warn: Callable[[str, bool], None]
) -> Watch | None:
    """None where the node does not ask its kernel, or the roles do not want it. Raises Unavailable.

    `note` gets each event once the log has it. `warn` is told what the kernel no longer does, and whether the
    session has to end for it.
    """
    kinds = visit.admission.options.enhanced_recording
    kernel = visit.post.kernel
    if kernel is None or not kinds:
        return None
    listener = KernelWatch(visit, sid, note, warn)
    watch = kernel.enter(sid, kinds, listener, is_strict=listener.is_strict)
    listener.id = watch.id
    return watch


def _told(seen: Seen) -> tuple[type[SessionEvent], dict[str, object]]:
    match seen:
        case Command():
            return CommandExecuted, {
                "ppid": seen.parent, "program": seen.program, "path": seen.path, "argv": list(seen.arguments),
                "return_code": seen.result,
            }  # fmt: skip
        case Exit():
            return ProcessExited, {"program": seen.program, "exit_status": seen.code}
        case Opened():
            return FileOpened, {"path": seen.path, "flags": seen.flags, "return_code": min(seen.result, 0)}
        case Connected():
            return NetworkConnected, {
                "src_addr": seen.source, "dst_addr": seen.address, "dst_port": seen.port, "version": seen.version,
                "operation": CONNECT,
            }  # fmt: skip
    raise ValueError(seen)
