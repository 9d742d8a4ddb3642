"""What is looked at after something was killed: the story that the log tells, the recording, what still runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from harness.processes import Started, until
from harness.terminals import OnTerminal
from harness.visitors import Visitor
from harness.witnesses import all_events


def kill(process: Started | None) -> float:
    """The program and its group. When."""
    assert process is not None
    moment = time.monotonic()
    process.kill()
    return moment


def kill_alone(process: Started | None) -> float:
    """The program and nothing that it started: what is left of that has to end by itself. When."""
    assert process is not None
    moment = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    process.process.wait(30)
    return moment


def story(cluster: Cluster, session: str) -> list[dict[str, Any]]:
    return [event for event in all_events(cluster) if event.get("sid") == session]


def ended_once(cluster: Cluster, session: str) -> bool:
    kinds = [event["event"] for event in story(cluster, session)]
    assert kinds.count("session.start") <= 1
    assert kinds.count("session.end") <= 1
    return {"session.start", "session.end", "session.upload"} <= set(kinds)


def session_of(terminal: OnTerminal) -> tuple[str, int]:
    """Its id, and the process id of its shell."""
    seen = terminal.run("echo session=$SSH_SESSION_ID=$$=", r"session=[0-9a-f-]{36}=\d+=")
    *_, session, shell, _ = seen.split("=")  # what was typed may be shown before it
    return session, int(shell)


def check_recorded(visitor: Visitor, session: str, lines: set[str]) -> None:
    """Listed, played, and with every line that was shown."""
    until(lambda: session in visitor.tsh("recordings", "ls", "--format=json").out, "recording listed")
    until(lambda: visitor.tsh("play", "--format=text", session).status == 0, "recording kept")
    played = set(visitor.tsh("play", "--format=text", session).ok().out.split())
    assert lines, "nothing was shown"
    assert lines <= played, f"shown and not recorded: {sorted(lines - played)}"


def is_running(pid: int) -> bool:
    """Whether it is there and not merely waits for whoever started it to hear of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
