"""Asking a person. On a terminal secrets are not shown; without one, answers are read line by line from the input.

`ON_TERMINAL` asks on the controlling terminal even where standard input carries data for somebody else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Protocol, TextIO

from teleport.foundation.errors import BadParameter, Unsupported

_TERMINAL = "/dev/tty"


class Conversation(Protocol):
    """Somebody who can be asked."""

    def ask_secret(self, question: str) -> str: ...

    def choose(self, question: str, choices: Sequence[str]) -> int: ...

    def tell(self, text: str) -> None: ...


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


class _Standard:
    """By standard input and the error output."""

    def ask_secret(self, question: str) -> str:
        return ask_secret(question)

    def choose(self, question: str, choices: Sequence[str]) -> int:
        return choose(question, choices)

    def tell(self, text: str) -> None:
        print(text, file=sys.stderr)


class _OnTerminal:
    """By the terminal that controls this process; what is piped through it is not touched."""

    def ask_secret(self, question: str) -> str:
        with _open_terminal() as terminal:
            import getpass

            return getpass.getpass(f"{question} ", stream=terminal)

    def choose(self, question: str, choices: Sequence[str]) -> int:
        with _open_terminal() as terminal:
            for _ in range(3):
                listed = "".join(f"  {number}) {choice}\n" for number, choice in enumerate(choices, 1))
                terminal.write(f"{question}\n{listed}[1-{len(choices)}] ")
                terminal.flush()
                answer = terminal.readline().strip()
                if answer.isdigit() and 1 <= int(answer) <= len(choices):
                    return int(answer) - 1
        raise BadParameter(f"{question} expected a number from 1 to {len(choices)}")

    def tell(self, text: str) -> None:
        print(text, file=sys.stderr)


STANDARD: Conversation = _Standard()
ON_TERMINAL: Conversation = _Standard() if os.name == "nt" else _OnTerminal()


def _open_terminal() -> TextIO:
    """Raises Unsupported where there is no terminal: nobody could answer."""
    try:
        descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise Unsupported("a second factor is needed, and there is no terminal to ask for it on") from None
    import io

    return io.TextIOWrapper(io.FileIO(descriptor, "w+"), write_through=True)
