"""Cold starts of short commands, against a bare interpreter."""

from __future__ import annotations

import sys

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import BIN, bench, timed

REPEATS = 5


def measure() -> list[Figure]:
    with bench() as stage:
        cold = {**stage.environment, "TELEPORT_NO_DAEMON": "1"}

        def started(*words: str) -> float:
            return sorted(timed([str(BIN / "tsh"), *words], cold) for _ in range(REPEATS))[REPEATS // 2]

        def bare() -> float:
            return sorted(timed([sys.executable, "-c", "pass"]) for _ in range(REPEATS))[REPEATS // 2]

        against = "`python3 -c pass`"
        return [
            ratio("`tsh version`", against, lambda: started("version", "--client"), bare, "<=", 4),
            ratio("`tsh status`", against, lambda: started("status"), bare, "<=", 4),
            ratio("`tsh ls`", against, lambda: started("ls"), bare, "<=", 8),
        ]
