"""From what the user typed to what is dialled: login and cluster filled in, ambiguous names explained."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from collections.abc import Iterator

from teleport.cli import output
from teleport.client.account import Account
from teleport.client.dialer import Ambiguous, Wanted
from teleport.client.targets import check_login
from teleport.foundation.errors import BadParameter


def complete(wanted: Wanted, account: Account, options: Namespace) -> Wanted:
    """Login from `user@`, else --login, else the certificate or the OS; the cluster is the account's."""
    login = wanted.login or check_login(options.login or default_login(account))
    name = wanted.name.removesuffix(f".{account.cluster}")
    return wanted._replace(name=name, login=login, cluster=account.cluster)


def default_login(account: Account) -> str:
    """Asks the OS only when the certificate leaves a choice."""
    logins = [login for login in account.record.logins if not login.startswith("-teleport-")]
    if len(logins) == 1:
        return logins[0]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise BadParameter("which login? use user@host, --login or TELEPORT_LOGIN") from None


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """An ambiguous name is followed by the servers it fits, then refused."""
    try:
        yield
    except Ambiguous as problem:
        rows = [
            (candidate.hostname, candidate.name, candidate.addr, output.labels(candidate.labels))
            for candidate in problem.candidates
        ]
        headers = ("Node Name", "Node ID", "Address", "Labels")
        print(output.table(headers, rows, columns=output.terminal_columns(sys.stderr)), file=sys.stderr)
        message = f"{problem.message}; use the node's id"
        raise BadParameter(message, event_id=problem.event_id) from problem
