"""What a process holds at this moment, as its diagnostics and the kernel tell: descriptors, connections, memory.

A process tells of its descriptors itself: the kernel shows those of others to few.
"""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

_ESTABLISHED = "01"


def descriptors(diag_port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{diag_port}/metrics", timeout=20) as answer:
        found = re.search(r"^process_open_fds ([0-9.e+]+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None, "the metrics do not tell of descriptors"
    return int(float(found[1]))


def connections(port: int) -> int:
    """Open ones whose near end is this port of this machine."""
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return sum(words[1].endswith(f":{port:04X}") and words[3] == _ESTABLISHED for words in lines)


def memory(pid: int) -> int:
    """Resident bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


def descendants(pid: int) -> dict[int, str]:
    """Processes that it started, and those started them: their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, layer = {}, {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer}
        for child in layer:
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
    return found
