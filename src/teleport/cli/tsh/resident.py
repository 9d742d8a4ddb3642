"""The resident client as a program: what of tsh it does, and how it is started."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from teleport.cli.program import one_line, parse, split_command
from teleport.cli.tsh import denials, hosts, ls, proxy, ssh
from teleport.cli.tsh.catalog import PROGRAM
from teleport.cli.tsh.selectors import criteria
from teleport.cli.tsh.who import choice_of, in_own_cluster
from teleport.client import account
from teleport.client.daemon import Action, Daemon, PassConnection, PrintListing, RunCommand
from teleport.client.dialer import Ambiguous
from teleport.client.ssh_session import SessionRequest
from teleport.client.targets import parse_target
from teleport.foundation.errors import TeleportError

_SPECIAL = (
    "tty", "forward", "remote_forward", "dynamic_forward", "no_remote_exec", "forward_agent", "option", "config_file",
    "x11_trusted", "x11_untrusted", "fork_after_authentication", "stdin_null", "local", "search", "query", "log_dir",
    "debug", "insecure", "identity", "jumphost", "reason", "invite", "participant_req", "resume",
)  # fmt: skip
"""What makes `tsh ssh` more than a command with its input and output."""


def interpret(words: list[str], environment: dict[str, str]) -> Action | None:
    """`ssh` with a command and nothing special, `proxy ssh`, `ls`. What is wrong is left to the program itself."""
    try:
        before, name, after = split_command(PROGRAM, words)
        if any(word.startswith(("--headless", "--auth")) for word in before + after):
            return None
        if name == "ssh":
            options = parse(PROGRAM, PROGRAM.entry("ssh"), ssh, before, after, environment)
            return _command(options, environment)
        if name == "ls":
            options = parse(PROGRAM, PROGRAM.entry("ls"), ls, before, after, environment)
            return _listing(options, environment)
        if name == "proxy":
            options = parse(PROGRAM, PROGRAM.entry("proxy"), proxy, before, after, environment)
            return _connection(options, environment)
    except (TeleportError, OSError, SystemExit):
        pass
    return None


def _command(options: Namespace, environment: dict[str, str]) -> Action | None:
    if not options.literal or any(getattr(options, name) for name in _SPECIAL):
        return None
    who = in_own_cluster(account.find(choice_of(options), environment))
    wanted = hosts.complete(parse_target(options.target), who, options, environment)._replace(port=options.port)
    if wanted.labels:  # perhaps on several
        return None
    return RunCommand(who, wanted, SessionRequest(" ".join(options.literal)), denials.mode_of(options))


def _connection(options: Namespace, environment: dict[str, str]) -> Action | None:
    if options.subcommand != "ssh" or options.debug or options.identity or options.jumphost:
        return None
    who = in_own_cluster(account.find(choice_of(options), environment))
    return PassConnection(who, proxy.wanted_of(options, who), bool(options.fdpass))


def _listing(options: Namespace, environment: dict[str, str]) -> Action | None:
    if options.debug or options.identity or options.jumphost or options.all or options.why_not:
        return None
    criteria(options)  # what is wrong with them the program itself tells
    who = in_own_cluster(account.find(choice_of(options), environment))
    return PrintListing(who, lambda known, out: ls.print_nodes(known, options, out))


def explain(problem: TeleportError) -> str:
    """What the program itself would have printed."""
    listing = f"{hosts.candidates_table(problem, None)}\n" if isinstance(problem, Ambiguous) else ""
    told = hosts.ask_for_id(problem) if isinstance(problem, Ambiguous) else problem
    return f"{listing}ERROR: {one_line(told)}\n"


def main(words: Sequence[str]) -> int:
    os.chdir("/")
    asyncio.run(Daemon(words[0], interpret, explain).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
