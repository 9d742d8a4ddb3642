"""`tctl recordings ls`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.cli.tsh import recordings


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list recorded sessions, the newest first", _ls)
    recordings.add_listing(listing)


def _ls(options: Namespace) -> int:
    with connect(options) as client:
        return recordings.show_sessions(client, options)
