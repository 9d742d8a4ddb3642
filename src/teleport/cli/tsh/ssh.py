"""`tsh ssh`"""

from __future__ import annotations

import os
from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tsh import hosts
from teleport.cli.tsh.warm import start_daemon
from teleport.cli.tsh.who import account_of
from teleport.client import ssh
from teleport.client.account import Account
from teleport.client.forwarding import parse_dynamic, parse_forward
from teleport.client.targets import parse_target
from teleport.foundation.errors import BadParameter, Unsupported

_ANSWERS = {"yes": True, "true": True, "no": False, "false": False, "force": True, "auto": None}
_IGNORED = (
    "addkeystoagent",
    "batchmode",
    "connecttimeout",
    "loglevel",
    "stricthostkeychecking",
    "userknownhostsfile",
)


def arguments(parser: Arguments) -> None:
    parser.literal_after = 1
    parser.add_argument("target", metavar="[USER@]HOST", help="name, id, address or k=v labels of one server")
    parser.add_argument("-p", "--port", type=int, default=0, help="port of the server")
    parser.switch("-A", "--forward-agent", help="let the server use your ssh-agent")
    parser.add_argument(
        "-L",
        "--forward",
        action="append",
        default=[],
        metavar="[BIND:]PORT:HOST:PORT",
        help="a port here leads to one that the server reaches",
    )
    parser.add_argument(
        "-R",
        "--remote-forward",
        action="append",
        default=[],
        metavar="[BIND:]PORT:HOST:PORT",
        help="a port of the server leads to one that is reached from here",
    )
    parser.add_argument(
        "-D",
        "--dynamic-forward",
        action="append",
        default=[],
        metavar="[BIND:]PORT",
        help="a SOCKS proxy here that leads into the server's network",
    )
    parser.switch("-N", "--no-remote-exec", help="run nothing, forward ports only")
    parser.switch("-t", "--tty", help="a terminal even for a command")
    parser.switch("-T", "--disable-tty", help="no terminal even for a shell")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="NAME=VALUE", help="as ssh_config(5)")
    parser.switch("--enable-escape-sequences", default=True, help="~. disconnects, ~? helps")
    parser.switch("--no-resume", help="kept for scripts; connections are not resumed")
    parser.examples(
        "tsh ssh root@web-1", "tsh ssh root@env=prod,team=db uptime", "tsh ssh -N -L 8080:localhost:80 web-1"
    )


def run(options: Namespace) -> int:
    account = account_of(options, headless=True)
    with hosts.explained():
        status = ssh.run(account, request_of(options, account))
    start_daemon(options)
    return status


def request_of(options: Namespace, account: Account) -> ssh.SshRequest:
    wanted = hosts.complete(parse_target(options.target), account, options)._replace(port=options.port)
    words = list(options.literal)
    chosen = ssh_options(options.option)
    agent = options.forward_agent if options.forward_agent is not None else chosen.get("forwardagent") is True
    terminal = _terminal(options, chosen)
    return ssh.SshRequest(
        wanted,
        " ".join(words) or None,
        terminal=terminal,
        run_nothing=bool(options.no_remote_exec),
        local=tuple(parse_forward(text) for text in options.forward),
        remote=tuple(parse_forward(text) for text in options.remote_forward),
        dynamic=tuple(parse_dynamic(text) for text in options.dynamic_forward),
        forward_agent=agent,
        environment=_environment(options.option),
        escape_keys=options.enable_escape_sequences,
        insecure=bool(options.insecure),
        mfa_mode=options.mfa_mode or "auto",
    )


def _terminal(options: Namespace, chosen: dict[str, bool | None]) -> bool | None:
    if options.tty and options.disable_tty:
        raise BadParameter("-t and -T exclude each other")
    if options.disable_tty:
        return False
    return True if options.tty else chosen.get("requesttty")


def ssh_options(texts: list[str]) -> dict[str, bool | None]:
    """The yes/no options. Raises Unsupported for those that would change what is promised."""
    found: dict[str, bool | None] = {}
    for text in texts:
        name, value = _pair(text)
        if name in ("forwardagent", "requesttty"):
            if value.lower() not in _ANSWERS:
                raise BadParameter(f"-o {text}: expected yes or no")
            found[name] = _ANSWERS[value.lower()]
        elif name not in ("setenv", "sendenv", *_IGNORED):
            raise Unsupported(f"-o {text}: offered are ForwardAgent, RequestTTY, SetEnv, SendEnv")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=") if "=" in text.split(" ")[0] else text.partition(" ")
    if not mark:
        raise BadParameter(f"-o {text}: expected NAME=VALUE")
    return name.strip().lower(), value.strip()


def _environment(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, value = _pair(text)
        if name == "setenv":
            key, mark, content = value.partition("=")
            if not mark:
                raise BadParameter(f"-o {text}: expected SetEnv=NAME=VALUE")
            found[key] = content
        elif name == "sendenv":
            import fnmatch

            found |= {key: word for key, word in os.environ.items() if fnmatch.fnmatchcase(key, value)}
    return found


def complete(behind: list[str], current: str) -> list[str]:
    """Host names for the shell's completion, with the `user@` that is typed already."""
    return hosts.candidates(current)
