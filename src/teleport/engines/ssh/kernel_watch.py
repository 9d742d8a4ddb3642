"""A session watched by the kernel: what it does becomes audit events, which the replay shows too."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from teleport.engines.kernel_recording.lines import Command, Connected, Exit, Lost, Opened, Seen
from teleport.engines.kernel_recording.recorder import Watch
from teleport.engines.ssh.visit import Visit
from teleport.model.events.base import Event, SessionEvent
from teleport.model.events.session import CommandExecuted, FileOpened, NetworkConnected, ProcessExited

CONNECT = 0


def watch_session(visit: Visit, sid: str, note: Callable[[Event], None], end: Callable[[str], None]) -> Watch | None:
    """None where the node does not ask its kernel, or the roles do not want it. Raises Unavailable.

    `note` gets each event once the log has it; `end` has to end the session, which nobody watches any more.
    """
    kinds = visit.admission.options.enhanced_recording
    kernel = visit.post.kernel
    if kernel is None or not kinds:
        return None
    numbers = itertools.count(1)

    def saw(seen: Seen | Lost) -> None:
        kind, fields = _told(seen)
        event = visit.audit.kernel_saw(kind, sid=sid, ei=next(numbers), cgroup_id=watch.id, **fields)
        if event is not None:
            note(event)

    watch = kernel.enter(sid, kinds, saw, end)
    return watch


def _told(seen: Seen | Lost) -> tuple[type[SessionEvent], dict[str, object]]:
    match seen:
        case Command():
            return CommandExecuted, {
                "pid": seen.pid, "ppid": seen.parent, "program": seen.program, "path": seen.path,
                "argv": list(seen.arguments), "return_code": seen.result,
            }  # fmt: skip
        case Exit():
            return ProcessExited, {"pid": seen.pid, "program": seen.program, "exit_status": seen.code}
        case Opened():
            return FileOpened, {
                "pid": seen.pid, "path": seen.path, "flags": seen.flags, "return_code": min(seen.result, 0),
            }  # fmt: skip
        case Connected():
            return NetworkConnected, {
                "pid": seen.pid, "dst_addr": seen.address, "dst_port": seen.port, "version": seen.version,
                "operation": CONNECT,
            }  # fmt: skip
    return CommandExecuted, {"error": f"{seen.count} events of the kernel were lost on this node"}
