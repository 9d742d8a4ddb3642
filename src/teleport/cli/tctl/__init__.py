"""tctl: the administrator's program."""

from __future__ import annotations


def main() -> int:
    """The entry point."""
    from teleport.cli.program import run_program
    from teleport.cli.tctl.catalog import PROGRAM

    return run_program(PROGRAM)
