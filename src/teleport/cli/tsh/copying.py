"""What `tsh scp` and `tsh sftp` share: a connection with an SFTP client on it."""

from __future__ import annotations

import asyncio
import contextlib
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable

from teleport.cli.tsh import hosts
from teleport.cli.tsh.who import account_of
from teleport.client import session_mfa, sftp, ssh, ssh_connection
from teleport.client.dialer import Wanted

import asyncssh  # isort: skip


def with_sftp(
    options: Namespace,
    wanted: Wanted,
    work: Callable[[asyncssh.SFTPClient], Awaitable[int]],
    *,
    headless: bool = False,
) -> int:
    """Dial, connect, open SFTP, do the work."""
    account = account_of(options, headless=headless)
    complete = hosts.complete(wanted, account, options)
    with hosts.explained():
        account, reached = session_mfa.reach(account, complete, options.mfa_mode or "auto")
    ssh.check_cluster(account, reached)

    async def session() -> int:
        connection = await ssh_connection.connect(reached, complete, account.ssh(), insecure=bool(options.insecure))
        async with _closing(connection):
            with sftp.Explained():
                client = await connection.start_sftp_client()
            return await work(client)

    return asyncio.run(session())


@contextlib.asynccontextmanager
async def _closing(connection: asyncssh.SSHClientConnection) -> AsyncIterator[None]:
    try:
        yield
    finally:
        connection.close()
