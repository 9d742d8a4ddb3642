"""`tctl version`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.version import version_line


def arguments(parser: Arguments) -> None: ...


def run(options: Namespace) -> int:
    print(version_line())
    return 0
