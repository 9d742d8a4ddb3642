"""`python -m tests.fuzz --seconds N`: hunts every parser and knocks at every door, for N seconds each.

What is found is told with its input or seed; the exit status is 1 then. `--only TEXT` takes those whose name has it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from fuzzing.doors import knock, proxy_doors
from fuzzing.hunt import Hunt
from fuzzing.ssh_doors import host_doors, ssh_doors
from fuzzing.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target and door")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats an earlier hunt")
    parser.add_argument("--only", default="", help="part of a name")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    found: list[str] = []
    for target in TARGETS:
        if options.only in target.name:
            hunt = Hunt(target, options.seed).run(options.seconds)
            print(f"{target.name:50} {hunt.runs:>8} inputs {hunt.lines:>5} lines {len(hunt.corpus):>5} kept")
            found += map(str, hunt.findings)
    found += asyncio.run(_knock_everywhere(options.seconds, options.seed, lambda name: options.only in name))
    print("\n".join(found) or "nothing was found")
    return 1 if found else 0


async def _knock_everywhere(seconds: float, seed: int, is_wanted: Callable[[str], bool]) -> list[str]:
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("proxy", "node", "host")]
        for place in places:
            place.mkdir()
        async with (
            proxy_doors(places[0]) as doors,
            ssh_doors(places[1]) as nodes,
            host_doors(places[2]) as hosts,
        ):
            for door in (*doors, *nodes, *hosts):
                if is_wanted(door.name):
                    found += await knock(door, seconds, seed)
                    print(f"{door.name}: knocked")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
