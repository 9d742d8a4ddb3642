"""`tsh daemon`: the resident client process."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.client import daemon_link
from teleport.client.profile import home_directory


def arguments(parser: Arguments) -> None:
    parser.subcommand("stop", "end it; the next command that wants it starts another", _stop)
    parser.subcommand("status", "tell whether it runs", _status)


def _stop(options: Namespace) -> int:
    print("stopped" if daemon_link.stop(home_directory()) else "not running")
    return 0


def _status(options: Namespace) -> int:
    link = daemon_link.open_link(home_directory())
    print("running" if link else "not running")
    if link:
        link.close()
    return 0
