"""What `tsh scp` and `tsh sftp` share: connections to one or two servers with an SFTP client on each."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence

from teleport.cli import output
from teleport.cli.tsh import denials, hosts
from teleport.cli.tsh.who import account_of
from teleport.client import session_mfa, sftp, ssh, ssh_connection
from teleport.client.account import Account
from teleport.client.dialer import Reached, Wanted
from teleport.foundation.errors import AccessDenied

import asyncssh  # isort: skip

_Dialled = tuple[Account, Reached, Wanted]


def with_sftp(
    options: Namespace,
    servers: Sequence[Wanted],
    work: Callable[[Sequence[asyncssh.SFTPClient]], Awaitable[int]],
    *,
    headless: bool = False,
) -> int:
    """Dial, connect, open SFTP on each, do the work."""
    account = account_of(options, headless=headless)
    regain = denials.regain(options)
    dialled: list[_Dialled] = []
    for wanted in servers:
        complete = hosts.complete(wanted, account, options)
        with hosts.explained():
            try:
                proven, reached = session_mfa.reach(account, complete, options.mfa_mode or "auto")
            except AccessDenied as denied:
                account = regain(account, complete, denied)
                proven, reached = session_mfa.reach(account, complete, options.mfa_mode or "auto")
        ssh.check_cluster(proven, reached)
        dialled.append((proven, reached, complete))

    async def session() -> int:
        async with contextlib.AsyncExitStack() as ends:
            clients = [await _client(one, ends, insecure=bool(options.insecure)) for one in dialled]
            return await work(clients)

    return asyncio.run(session())


def tell_skipped(path: str) -> None:
    """A line about a file that is left out of a copy."""
    print(f"{output.printable(path)}: not a regular file, skipped", file=sys.stderr, flush=True)


async def _client(dialled: _Dialled, ends: contextlib.AsyncExitStack, *, insecure: bool) -> asyncssh.SFTPClient:
    account, reached, wanted = dialled
    connection = await ssh_connection.connect(reached, wanted, account.ssh(), insecure=insecure)
    ends.callback(connection.close)
    with sftp.Explained():
        return await sftp.open_client(connection)
