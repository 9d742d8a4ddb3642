"""Asking a person. On a terminal secrets are not shown; without one, answers are read line by line from the input."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from teleport.foundation.errors import BadParameter


def ask(question: str) -> str:
    """Raises BadParameter when there is nobody to answer."""
    print(question, end=" ", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise BadParameter(f"no answer to {question!r}: the input has ended")
    return line.strip()


def ask_secret(question: str) -> str:
    """The answer is not shown."""
    if not sys.stdin.isatty():
        return ask(question).rstrip("\r\n")
    import getpass

    try:
        return getpass.getpass(f"{question} ")
    except EOFError:
        raise BadParameter(f"no answer to {question!r}: the input has ended") from None


def confirm(question: str) -> bool:
    """False where there is no terminal."""
    return sys.stdin.isatty() and ask(f"{question} [y/N]").lower() in ("y", "yes")


def choose(question: str, choices: Sequence[str]) -> int:
    """The index of the choice. Raises BadParameter after three answers that are none."""
    for _ in range(3):
        print(question, file=sys.stderr)
        for number, choice in enumerate(choices, 1):
            print(f"  {number}) {choice}", file=sys.stderr)
        answer = ask(f"[1-{len(choices)}]")
        if answer.isdigit() and 1 <= int(answer) <= len(choices):
            return int(answer) - 1
    raise BadParameter(f"{question} expected a number from 1 to {len(choices)}")
