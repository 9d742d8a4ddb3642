"""`teleport`: the daemon of a cluster and of an agent, and what prepares a host for it."""

from __future__ import annotations

from collections.abc import Sequence

from teleport.cli.arguments import Arguments
from teleport.cli.program import Entry, Program, common_flags, run_program

CATALOGUE = (
    Entry("start", "teleport.cli.teleport.start", "start the services of this host"),
    Entry("configure", "teleport.cli.teleport.configure", "print a commented configuration file, or test one"),
    Entry("node", "teleport.cli.teleport.node", "prepare this host as an SSH server of a cluster"),
    Entry("join", "teleport.cli.teleport.join", "make this host's own sshd a server of a cluster"),
    Entry("install", "teleport.cli.teleport.install", "print or write the systemd unit"),
    Entry("status", "teleport.cli.teleport.status", "tell about the session this shell runs in"),
    Entry("version", "teleport.cli.teleport.version", "print the version"),
    Entry("completion", "teleport.cli.completion", "print a completion script for bash, zsh or fish"),
)

PROGRAM = Program(
    name="teleport",
    title="Teleport gives people and machines short-lived certificates and one proxy to what they may reach.",
    catalogue=CATALOGUE,
    global_flags=common_flags,
    environment={"debug": ("TELEPORT_DEBUG",)},
    examples=(
        "teleport start                                       a whole cluster on this host",
        "teleport start --roles=node --auth-server=PROXY:3080 --token=TOKEN --ca-pin=PIN",
        "teleport configure > /etc/teleport.yaml",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_program(PROGRAM, arguments)


__all__ = ["PROGRAM", "Arguments", "main"]
