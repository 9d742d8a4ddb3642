"""New sessions: stock ssh and `tsh ssh` through proxy and tunnel, against stock ssh straight to sshd."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Figure, Side, ratio
from benchmarks.yardstick import BIN, Bench, bench, timed

PARALLEL = 8
CONNECTIONS = 40
STRAIGHT = "stock ssh straight to sshd"


def measure() -> list[Figure]:
    with bench() as stage:
        straight = stage.sshd.ssh(stage.sshd.target, "true")
        through = stage.ssh(stage.target, "true")
        tsh = [str(BIN / "tsh"), "ssh", f"{stage.target.split('@')[0]}@bench", "true"]
        cold = {**stage.environment, "TELEPORT_NO_DAEMON": "1"}

        def reference() -> float:
            return _middle(lambda: timed(straight))

        return [
            ratio("new session: stock `ssh`, `true`", STRAIGHT,
                  lambda: _middle(lambda: timed(through, stage.environment)), reference, "<=", 0.5),
            ratio(f"new sessions a second, {PARALLEL} stock `ssh` at once", STRAIGHT,
                  lambda: _rate(through, stage), lambda: _rate(straight, stage), ">=", 1.8, unit="/s"),
            ratio("`tsh ssh host true`, cold", STRAIGHT,
                  lambda: _middle(lambda: timed(tsh, cold)), reference, "<=", 1.3),
            ratio("`tsh ssh host true`, resident client warm", STRAIGHT,
                  lambda: _middle(lambda: timed(tsh, stage.environment)), reference, "<=", 0.5),
        ]  # fmt: skip


def _middle(once: Side) -> float:
    values = sorted(once() for _ in range(5))
    return values[2]


def _rate(command: list[str], stage: Bench) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda _: timed(command, stage.environment), range(CONNECTIONS)))
    return CONNECTIONS / (time.perf_counter() - start)
