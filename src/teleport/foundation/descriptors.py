"""How many files and sockets a process may have open: as many as the system lets it, while its users keep the usual.

Plain users start with 1,024, few for a proxy. Programs that still use select(2) must not find more than that.
"""

from __future__ import annotations

import resource

_usual = resource.getrlimit(resource.RLIMIT_NOFILE)


def raise_limit() -> int:
    """Take all that may be taken; how many that is."""
    hard = _usual[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def give_usual_limit(pid: int) -> None:
    """Let a process that was just started have, with all that it starts, what this one had at first."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, _usual)
