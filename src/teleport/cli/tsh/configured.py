"""tsh with a configuration of its own: aliases are expanded before anything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from teleport.cli.program import one_line, run_program
from teleport.cli.tsh import aliases, warm
from teleport.cli.tsh.catalog import PROGRAM
from teleport.client import tsh_config
from teleport.foundation.errors import TeleportError


def run(words: Sequence[str]) -> int:
    """What `words` mean, once for each alias at most."""
    found = os.environ.get(aliases.USED_VARIABLE, "")
    used = frozenset(name for name in found.split(",") if name)
    try:
        known = tsh_config.load()
        while (expanded := aliases.expand(words, known.aliases, used)) is not None:
            used |= {next(word for word in words if not word.startswith("-"))}
            if expanded[0] != "tsh":
                return aliases.run_other([_own(word) for word in expanded], used)
            words = expanded[1:]
    except (TeleportError, OSError) as problem:
        print(f"ERROR: {one_line(problem)}", file=sys.stderr)
        return 1
    status = None if known.templates else warm.run(words)  # templates may lead elsewhere than the daemon knows
    return status if status is not None else run_program(PROGRAM, words)


def _own(word: str) -> str:
    return word.replace("$TSH", sys.argv[0])
