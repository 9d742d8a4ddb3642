"""Run all benchmarks, or those named; `--write` keeps the table in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path

from benchmarks.figures import Figure, table
from teleport.foundation.clock import SystemClock

BENCHMARKS = (
    "sessions",
    "bulk",
    "files",
    "terminal",
    "relay",
    "memory",
    "agents",
    "certificates",
    "startup",
    "listing",
    "rules",
    "recording",
    "playbook",
    "crowd",
    "watchers",
    "kernel",
)
HOW = (
    "Written by `make bench ARGS=--write`. Both sides run in turn in one run on loopback; a figure is the median"
    " of at least five rounds, with its spread. Ratios travel between machines better than rates."
)
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(BENCHMARKS)}")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.names or BENCHMARKS:
        print(f"# {name}", file=sys.stderr, flush=True)
        found = importlib.import_module(f"benchmarks.{name}").measure()
        figures += found
        print(table(found), file=sys.stderr, flush=True)
    text = table(figures)
    print(text)
    if options.write:
        PAGE.write_text(page(text), encoding="utf-8")
    return 0 if all(figure.is_met for figure in figures) else 1


def page(text: str) -> str:
    today = f"{SystemClock().now():%Y-%m-%d}"
    facts = f"{os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}, {today}."
    return "\n\n".join(("# Benchmarks", HOW, facts, text)) + "\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
