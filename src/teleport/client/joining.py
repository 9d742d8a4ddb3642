"""`tsh join`: reach the host that runs a session, and be a party in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from teleport.client import session_mfa, ssh, ssh_connection, ssh_session, terminal
from teleport.client.account import Account, SshTexts
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.presence import AtTheScreen, keep_proving, proof_of
from teleport.foundation.errors import MfaRequired, NotAuthenticated
from teleport.wire.joining import MODE_VARIABLE, SESSION_VARIABLE

PRINCIPAL = "-teleport-internal-join"
"""What one logs in as to join: no user of any host."""


class JoinRequest(NamedTuple):
    """`host_id` is the node that the cluster says the session is on."""

    session: str
    mode: str
    host_id: str
    insecure: bool = False
    mfa_mode: str = "auto"


def run(account: Account, request: JoinRequest) -> int:
    """Zero when the session ended or one left; otherwise one was sent away."""
    wanted = Wanted(request.session, PRINCIPAL, kind="session")
    screen = AtTheScreen()
    prove: Callable[[], str] | None = None
    try:
        reached = dial(account, wanted)
    except MfaRequired:
        place = wanted._replace(name=request.host_id)
        if request.mode == "moderator":
            prove = proof_of(account, place, request.mfa_mode, screen)
        proof = session_mfa.prove(account, place, request.mfa_mode)
        account, reached = proof, dial(proof, wanted._replace(asks_mfa=False))
    ssh.check_cluster(account, reached)
    if reached.resource_id != request.host_id:
        reached.sock.close()
        raise NotAuthenticated("the proxy led to another host than the one that runs the session")
    with asyncio.Runner() as runner:
        return runner.run(_run(reached, account.ssh(), wanted, request, screen, prove))


async def _run(
    reached: Reached,
    texts: SshTexts,
    wanted: Wanted,
    request: JoinRequest,
    screen: AtTheScreen,
    prove: Callable[[], str] | None,
) -> int:
    """`prove` is called again and again where presence has to be proven."""
    connection = await ssh_connection.connect(reached, wanted, texts, insecure=request.insecure)
    proving = None
    if prove is not None:
        proving = asyncio.get_running_loop().create_task(keep_proving(connection, prove, request.session, screen))
    try:
        session = ssh_session.SessionRequest(
            term=(os.environ.get("TERM") or "xterm") if sys.stdout.isatty() else "",
            size=terminal.size(0),
            environment={SESSION_VARIABLE: request.session, MODE_VARIABLE: request.mode},
            escape_keys=sys.stdin.isatty(),
        )
        ssh.leave_on_signals(connection)
        with terminal.raw(0) if session.term else contextlib.nullcontext():
            status = await ssh_session.run_session(connection, session, taken=screen.take)
        if status == ssh_session.CONNECTION_LOST and (end := ssh_connection.end_of(connection)) is not None:
            print(f"\ntsh: {ssh_connection.explain(end, str(reached.resource_name))}", file=sys.stderr)
        return status
    finally:
        if proving is not None:
            proving.cancel()
        connection.close()
