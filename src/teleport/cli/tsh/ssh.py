"""`tsh ssh`"""

from __future__ import annotations

import sys
from argparse import Namespace

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh import denials, hosts
from teleport.cli.tsh.ssh_request import request_of
from teleport.cli.tsh.warm import start_daemon
from teleport.client import ssh
from teleport.client.account import Account
from teleport.foundation.errors import BadParameter, NotFound

_MOST_PARALLEL = 256


def arguments(parser: Arguments) -> None:
    parser.literal_after = 1
    parser.add_argument(
        "target", metavar="[USER@]HOST", help="name, id or address of a server, or k=v labels: a command runs on all"
    )
    parser.add_argument("-p", "--port", type=int, default=0, help="port of the server")
    _add_forwards(parser)
    _add_session(parser)
    _add_fleet(parser)
    denials.add_flags(parser)
    parser.add_argument("-o", "--option", action="append", default=[], metavar="NAME=VALUE", help="as ssh_config(5)")
    parser.add_argument("-F", "--config-file", metavar="FILE", help="read options from a file, as ssh_config(5)")
    parser.switch("-q", "--quiet", help="no warnings")
    parser.switch("--resume", default=None, help="survive lost connections; sessions on a terminal do")
    parser.examples(
        "tsh ssh root@web-1",
        "tsh ssh root@env=prod,team=db uptime",
        'tsh ssh --query=\'labels["env"] == "prod"\' root@ uptime',
        "tsh ssh -N -L 8080:localhost:80 web-1",
    )


def _add_forwards(parser: Arguments) -> None:
    parser.switch("-A", "--forward-agent", help="let the server use your ssh-agent")
    for short, long, form, text in (
        ("-L", "--forward", "[BIND:]PORT:HOST:PORT", "a port here leads to one that the server reaches"),
        ("-R", "--remote-forward", "[BIND:]PORT:HOST:PORT", "a port of the server leads to one reached from here"),
        ("-D", "--dynamic-forward", "[BIND:]PORT", "a SOCKS proxy here that leads into the server's network"),
    ):
        parser.add_argument(short, long, action="append", default=[], metavar=form, help=text)
    parser.switch("-X", "--x11-untrusted", help="forward X11; programs there cannot watch your other windows")
    parser.switch("-Y", "--x11-trusted", help="forward X11 to a server that you trust with all your windows")
    parser.add_argument(
        "--x11-untrusted-timeout", metavar="TIME", default="10m", help="how long -X takes new windows (10m)"
    )


def _add_session(parser: Arguments) -> None:
    parser.switch("-N", "--no-remote-exec", help="run nothing, forward only")
    parser.switch("-f", "--fork-after-authentication", help="go to the background once connected")
    parser.switch("-n", "--stdin-null", help="give the command no input")
    parser.switch("-t", "--tty", help="a terminal even for a command")
    parser.switch("-T", "--disable-tty", help="no terminal even for a shell")
    parser.add_argument("--reason", metavar="TEXT", help="why you open this session")
    parser.add_argument("--invite", metavar="USER,...", help="who is asked to join the session")
    parser.switch("--participant-req", help="show who must be present in the session")
    parser.switch("--local", help="run the command here, once connected, and end with it")
    parser.switch("--enable-escape-sequences", default=None, help="~. disconnects, ~? helps")


def _add_fleet(parser: Arguments) -> None:
    parser.add_argument("--search", metavar="WORDS", help="run on servers in which these words occur")
    parser.add_argument("--query", metavar="EXPRESSION", help="run on servers for which this predicate holds")
    parser.add_argument("--parallel", metavar="N", type=int, default=16, help="how many servers at once (16)")
    parser.add_argument("--log-dir", metavar="DIR", help="write the outputs of each server to files there too")


def run(options: Namespace) -> int:
    denials.mode_of(options)
    account = hosts.account_for(options, headless=True)
    request = request_of(options, account)
    if request.command is not None and not request.local_command and hosts.means_many(options):
        members = hosts.matching(account, request.wanted.labels, options.search or "", options.query or "")
        if not members:
            raise NotFound(f"no server fits {options.target!r}")
        if len(members) > 1 or options.log_dir:
            return _run_on_all(account, members, request, options)
        request = request._replace(wanted=request.wanted._replace(name=members[0].node_id, labels=()))
    elif options.search or options.query:
        raise BadParameter("--search and --query choose servers to run a command on: which command?")
    with hosts.explained():
        status = ssh.run(account, request, denials.regain(options))
    start_daemon(options)
    return status


def _run_on_all(account: Account, members: list[hosts.Member], request: ssh.SshRequest, options: Namespace) -> int:
    if not 1 <= options.parallel <= _MOST_PARALLEL:
        raise BadParameter(f"--parallel={options.parallel}: expected 1 to {_MOST_PARALLEL}")
    singular = {
        "-L, -R and -D": any(request.forwards[:3]),
        "-t": request.terminal,
        "-f": request.background,
        "-X": request.x11,
    }
    if refused := [flag for flag, is_set in singular.items() if is_set]:
        raise BadParameter(f"{refused[0]} goes with one server only, and {options.target!r} fits {len(members)}")
    from teleport.client import fleet

    chosen = [fleet.Member(*member) for member in members]
    outcomes = fleet.run(account, chosen, request, fleet.FleetChoice(options.parallel, options.log_dir or ""))
    failures = [outcome for outcome in outcomes if outcome.has_failed]
    if failures:
        rows = [
            (one.member.hostname, one.member.node_id, one.problem or f"exit status {one.status}") for one in failures
        ]
        print(f"\n{len(failures)} of {len(outcomes)} servers failed:", file=sys.stderr)
        headers = ("Node Name", "Node ID", "Result")
        print(output.table(headers, rows, columns=output.terminal_columns(sys.stderr)), file=sys.stderr)
    return fleet.exit_status(outcomes)


def complete(behind: list[str], current: str) -> list[str]:
    """Host names for the shell's completion, with the `user@` that is typed already."""
    return hosts.candidates(current)
