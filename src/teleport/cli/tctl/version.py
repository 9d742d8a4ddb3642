"""`tctl version`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tsh.version import line


def arguments(parser: Arguments) -> None: ...


def run(options: Namespace) -> int:
    print(line())
    return 0
