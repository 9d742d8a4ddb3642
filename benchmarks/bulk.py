"""500 MB each way over stock ssh through proxy and tunnel, against stock ssh straight to sshd."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import Bench, bench, timed

SIZE = 500_000_000
STRAIGHT = "stock ssh straight to sshd, aes128-gcm"


def measure() -> list[Figure]:
    with bench() as stage:
        content = stage.folder / "content"
        with content.open("wb") as file:
            file.truncate(SIZE)
        straight = stage.sshd.ssh(stage.sshd.target)
        through = stage.ssh(stage.target)
        return [
            ratio("bulk up, 500 MB, stock `ssh`", STRAIGHT, lambda: _up(through, content, stage),
                  lambda: _up(straight, content, stage), ">=", 1.3, unit="MB/s"),
            ratio("bulk down, 500 MB, stock `ssh`", STRAIGHT, lambda: _down(through, stage),
                  lambda: _down(straight, stage), ">=", 1.1, unit="MB/s"),
        ]  # fmt: skip


def _up(command: list[str], content: Path, stage: Bench) -> float:
    with content.open("rb") as file:
        elapsed = timed([*command, "cat >/dev/null"], stage.environment, file.fileno())
    return SIZE / 1e3 / elapsed


def _down(command: list[str], stage: Bench) -> float:
    script = f"head -c {SIZE} /dev/zero"
    with subprocess.Popen([*command, script], stdout=subprocess.PIPE, env=stage.environment) as process:
        elapsed = timed(["sh", "-c", f"head -c {SIZE} | wc -c | grep -q '^{SIZE}$'"], None, _fd(process))
    return SIZE / 1e3 / elapsed


def _fd(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return process.stdout.fileno()
