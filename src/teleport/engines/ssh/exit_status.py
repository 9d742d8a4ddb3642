"""How programs end, in words and in the names SSH has for signals."""

from __future__ import annotations

import signal

FAILED = 255


def exit_error(status: int) -> str:
    """Empty for success. `status` is an exit status, or the negative number of a signal."""
    if status < 0:
        return f"ended by signal {signal_name(-status)}"
    return f"exit status {status}" if status else ""


def signal_number(name: str) -> int:
    """Of a name without SIG, as SSH sends it; 0 for one this system does not have."""
    found = getattr(signal, f"SIG{name}", None)
    return int(found) if isinstance(found, signal.Signals) else 0


def signal_name(number: int) -> str:
    """Without SIG; a number SSH has no name for is told in our own domain, as RFC 4254 section 6.10 asks."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return f"{number}@teleport"
