"""Aliases of tsh's configuration: a name in place of a command, which stands for a whole command line.

`$0`, `$1`, … are the words behind the name; those that the alias does not name follow at its end. `$TSH` is this
program. An alias may have the name of a command, and then may use that command itself: nothing is expanded twice.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence

from teleport.foundation.errors import BadParameter

USED_VARIABLE = "TELEPORT_TSH_ALIASES_USED"
"""The aliases that led to a program, so that they are not expanded again within it."""

_ARGUMENT = re.compile(r"\$(\d+)")


def expand(words: Sequence[str], aliases: Mapping[str, str], used: frozenset[str] = frozenset()) -> list[str] | None:
    """The command line that is meant, `tsh` or another program first; None where no alias stands in front.

    Raises BadParameter when words are missing.
    """
    position = next((index for index, word in enumerate(words) if not word.startswith("-")), None)
    if position is None or words[position] not in aliases or words[position] in used:
        return None
    name = words[position]
    before, behind = list(words[:position]), list(words[position + 1 :])
    try:
        template = shlex.split(aliases[name])
    except ValueError as problem:
        raise BadParameter(f"alias {name}: {problem}") from None
    if not template:
        raise BadParameter(f"alias {name} is empty")
    named = {int(number) for word in template for number in _ARGUMENT.findall(word)}
    if named and max(named) >= len(behind):
        raise BadParameter(f"alias {name} needs {max(named) + 1} words behind it: {aliases[name]}")
    filled = [_ARGUMENT.sub(lambda match: behind[int(match[1])], word) for word in template]
    rest = [word for index, word in enumerate(behind) if index not in named]
    program = "tsh" if filled[0] in ("tsh", "$TSH") else filled[0]
    return [program, *before, *filled[1:], *rest] if program == "tsh" else [*filled, *rest]


def run_other(words: Sequence[str], used: frozenset[str], environment: Mapping[str, str] = os.environ) -> int:
    """Another program in place of this one."""
    variables = {**environment, USED_VARIABLE: ",".join(sorted(used))}
    try:
        if os.name != "nt":
            os.execvpe(words[0], list(words), variables)  # noqa: S606 - the user's own configuration names it
        import subprocess

        return subprocess.run(list(words), env=variables, check=False).returncode  # noqa: S603 - likewise
    except OSError as problem:
        raise BadParameter(f"{words[0]} cannot be run: {problem.strerror}") from problem
