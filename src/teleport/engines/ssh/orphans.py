"""Programs that a shell was just starting when it was hung up: it died before they were its jobs; nobody told them.

Like `child` this imports nothing of ours. What was left running on purpose (`nohup`, `setsid`, `disown`) stays.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

AROUND = 5.0
"""Seconds before a hang-up in which a program counts as one that was just being started."""
AGAIN = 0.5
"""Seconds until who was told is looked at once more: a program is deaf for a moment between fork and exec."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Orphans:
    """Of the sessions that are hung up, by the process that led each, which is that of its first program."""

    def __init__(self) -> None:
        self._hung_up: dict[int, float] = {}
        """When, counted from the start of this host."""
        self._due: dict[int, float] = {}

    def hung_up(self, leader: int) -> None:
        self._hung_up.setdefault(leader, time.clock_gettime(time.CLOCK_BOOTTIME))

    def ended(self, leader: int) -> None:
        """What the leader had started is without a parent now."""
        if leader in self._hung_up:
            self._due[leader] = 0.0

    @property
    def patience(self) -> float | None:
        """Milliseconds until `tell` should be called; None when there is nobody to tell."""
        return AGAIN * 1000 if self._due else None

    def tell(self) -> None:
        """Hang up those of dead leaders, and once more after a moment where there were any."""
        now = time.monotonic()
        due = {leader for leader, moment in self._due.items() if moment <= now}
        if not due:
            return
        found = self._find(due)
        for leader in due:
            is_first = self._due[leader] == 0.0
            del self._due[leader]
            if is_first and leader in found.values():
                self._due[leader] = now + AGAIN
            else:
                self._hung_up.pop(leader, None)
        for pid in found:
            for number in (signal.SIGHUP, signal.SIGCONT):
                with suppress(OSError):
                    os.kill(pid, number)

    def _find(self, leaders: Iterable[int]) -> dict[int, int]:
        """Who was just started in a session of these and has a parent outside of it: its leader, by process."""
        wanted = {leader for leader in leaders if not os.path.exists(f"/proc/{leader}")}
        members: dict[int, tuple[int, int, float]] = {}
        for name in os.listdir("/proc") if wanted else ():
            if name.isdigit() and (told := _stat(name)) is not None and told[1] in wanted:
                members[int(name)] = told
        return {
            pid: session
            for pid, (parent, session, started) in members.items()
            if parent not in members and started >= self._hung_up[session] - AROUND
        }


def _stat(pid: str) -> tuple[int, int, float] | None:
    """Parent, session, and when it was started, in seconds from the start of this host."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3]), int(fields[19]) / _TICKS
