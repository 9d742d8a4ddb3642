"""500 MB each way over stock ssh through proxy and tunnel, against stock ssh straight to sshd."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import Bench, bench, timed

SIZE = 500_000_000
ROUNDS = 21
"""A run takes under a second, and one differs from the next by a third."""
SEND = f"head -c {SIZE} /dev/zero"
STRAIGHT = "stock ssh straight to sshd, aes128-gcm"


def measure() -> list[Figure]:
    with bench() as stage:
        content = stage.folder / "content"
        with content.open("wb") as file:
            file.truncate(SIZE)
        straight = stage.sshd.ssh(stage.sshd.target)
        through = stage.ssh(stage.target)
        for command in (straight, through):
            _check(command, stage)
        return [
            ratio("bulk up, 500 MB, stock `ssh`", STRAIGHT, lambda: _up(through, content, stage),
                  lambda: _up(straight, content, stage), ">=", 1.3, unit="MB/s", rounds=ROUNDS),
            ratio("bulk down, 500 MB, stock `ssh`", STRAIGHT, lambda: _down(through, stage),
                  lambda: _down(straight, stage), ">=", 1.1, unit="MB/s", rounds=ROUNDS),
        ]  # fmt: skip


def _up(command: list[str], content: Path, stage: Bench) -> float:
    with content.open("rb") as file:
        elapsed = timed([*command, "cat >/dev/null"], stage.environment, file.fileno())
    return SIZE / 1e3 / elapsed


def _down(command: list[str], stage: Bench) -> float:
    """To nowhere, as up: a reader behind a pipe would be a good part of what is measured."""
    return SIZE / 1e3 / timed([*command, SEND], stage.environment, stdout=subprocess.DEVNULL)


def _check(command: list[str], stage: Bench) -> None:
    """That all of it comes, since nobody counts it when it is timed."""
    counted = subprocess.run(
        ["sh", "-c", '"$@" | wc -c', "sh", *command, SEND],
        stdin=subprocess.DEVNULL, capture_output=True, env=stage.environment, check=True, timeout=300,
    )  # fmt: skip
    if int(counted.stdout) != SIZE:
        raise RuntimeError(f"{command}: only {counted.stdout.decode().strip()} of {SIZE} bytes came")
