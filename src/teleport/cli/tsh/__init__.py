"""tsh: the user's program."""

from __future__ import annotations

import sys

from teleport.cli.tsh import warm


def main() -> int:
    """The entry point. A running daemon answers at once where it can; everything else starts here."""
    status = warm.run(sys.argv[1:])
    if status is not None:
        return status
    from teleport.cli.program import run_program
    from teleport.cli.tsh.catalog import PROGRAM

    return run_program(PROGRAM)
