"""`teleport version`: `Teleport v18.0.0 git: python3.11.7`; `--raw` prints the number alone."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.version import version_line


def arguments(parser: Arguments) -> None:
    parser.switch("--raw", help="print the number alone")


def run(options: Namespace) -> int:
    from teleport import __version__

    print(__version__ if options.raw else version_line())
    return 0
