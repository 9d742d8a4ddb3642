"""`tsh proxy ssh`: OpenSSH's ProxyCommand. With --fdpass the connection is handed over and nobody stays."""

from __future__ import annotations

import os
import socket
from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tsh import hosts
from teleport.cli.tsh.warm import start_daemon
from teleport.client import ssh_proxy
from teleport.client.account import Account
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.targets import parse_target, split_port
from teleport.foundation.errors import BadParameter, MfaRequired


def arguments(parser: Arguments) -> None:
    ssh = parser.subcommand("ssh", "join standard input and output to a server's SSH port", _ssh)
    ssh.add_argument("target", metavar="[USER@]HOST[:PORT]", help="the server")
    ssh.switch("--fdpass", help="hand the connection over the way ProxyUseFdpass expects it")
    ssh.examples("ssh -o 'ProxyCommand=tsh proxy ssh %h:%p' root@web-1.example.com")


def _ssh(options: Namespace) -> int:
    if options.fdpass and os.name == "nt":
        raise BadParameter("--fdpass is not offered on Windows")
    account = hosts.account_for(options, target_has_port=True)
    wanted = wanted_of(options, account)
    with hosts.explained():
        reached = _reach(options, account, wanted)
    if options.fdpass:
        ssh_proxy.hand_over(reached.sock, socket.socket(fileno=os.dup(1)))
    start_daemon(options)
    if not options.fdpass:
        ssh_proxy.relay(reached.sock)
    return 0


def _reach(options: Namespace, account: Account, wanted: Wanted) -> Reached:
    try:
        return dial(account, wanted)
    except MfaRequired as missing:
        if not options.fdpass:  # ssh has read its certificates already
            raise MfaRequired(f"{missing.message} With ssh, use the configuration that `tsh config` prints") from None
        from teleport.client import session_certificate

        return session_certificate.reach(account, wanted, options.mfa_mode or "auto")


def wanted_of(options: Namespace, account: Account) -> Wanted:
    """Which login it will be, ssh alone knows; where it is told, it goes along as a hint."""
    name, port = split_port(options.target)
    wanted = parse_target(name)
    return wanted._replace(name=wanted.name.removesuffix(f".{account.cluster}"), port=port, cluster=account.cluster)
