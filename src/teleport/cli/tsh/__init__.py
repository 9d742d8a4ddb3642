"""tsh: the user's program."""

from __future__ import annotations

import os
import sys

from teleport.cli.tsh import warm


def main() -> int:
    """The entry point. A running daemon answers at once where it can; everything else starts here."""
    words = sys.argv[1:]
    if _has_configuration():
        from teleport.cli.tsh import configured

        return configured.run(words)
    status = warm.run(words)
    if status is not None:
        return status
    from teleport.cli.program import run_program
    from teleport.cli.tsh.catalog import PROGRAM

    return run_program(PROGRAM)


def _has_configuration() -> bool:
    environment = os.environ
    home = environment.get("TELEPORT_HOME") or f"{environment.get('HOME') or environment.get('USERPROFILE', '')}/.tsh"
    everywhere = environment.get("TELEPORT_GLOBAL_TSH_CONFIG") or "/etc/tsh.yaml"
    return os.path.exists(f"{home}/config/config.yaml") or os.path.exists(everywhere)
