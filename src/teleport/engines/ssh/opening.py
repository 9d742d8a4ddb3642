"""What a program finds at its start beyond its variables: the greeting of a login, and the user's own variables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Opening:
    """`text` and what `greetings` (files) hold are shown before a login shell, unless ~/.hushlogin is there.

    `reads_environment`: ~/.tsh/environment is read, lines of NAME=value.
    """

    text: str = ""
    greetings: tuple[str, ...] = ()
    reads_environment: bool = False
