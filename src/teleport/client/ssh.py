"""`tsh ssh`: dial, connect, run. The dial is under way while the SSH library is still being imported."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from teleport.client import terminal
from teleport.client.account import Account, SshTexts
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.forwarding import Forward
from teleport.foundation.errors import MfaRequired, NotAuthenticated, Unavailable

if TYPE_CHECKING:
    import asyncssh

    from teleport.client.ssh_session import SessionRequest


class SshRequest(NamedTuple):
    """What `tsh ssh` was asked for. `terminal` None: a terminal for a shell, none for a command."""

    wanted: Wanted
    command: str | None = None
    terminal: bool | None = None
    run_nothing: bool = False
    local: tuple[Forward, ...] = ()
    remote: tuple[Forward, ...] = ()
    dynamic: tuple[Forward, ...] = ()
    forward_agent: bool = False
    environment: Mapping[str, str] = {}
    escape_keys: bool = True
    insecure: bool = False
    mfa_mode: str = "auto"


class _Dialling(threading.Thread):
    """A dial in the background; `result` waits for it and raises what it raised."""

    def __init__(self, account: Account, wanted: Wanted) -> None:
        super().__init__(daemon=True)
        self._account = account
        self._wanted = wanted
        self._reached: Reached | None = None
        self._problem: BaseException | None = None

    def run(self) -> None:
        try:
            self._reached = dial(self._account, self._wanted)
        except BaseException as problem:
            self._problem = problem

    def result(self) -> Reached:
        self.join()
        if self._problem is not None:
            raise self._problem
        assert self._reached is not None
        return self._reached


def run(account: Account, request: SshRequest) -> int:
    """The exit status of the remote command, or of the shell."""
    dialling = _Dialling(account, request.wanted)
    dialling.start()
    from teleport.client import ssh_session

    try:
        reached = dialling.result()
    except MfaRequired:
        from teleport.client import session_mfa

        account, reached = session_mfa.reach_proven(account, request.wanted, request.mfa_mode)
    texts = account.ssh()
    check_cluster(account, reached)
    with asyncio.Runner() as runner:
        return runner.run(_run(reached, texts, request, ssh_session.CONNECTION_LOST))


def check_cluster(account: Account, reached: Reached) -> None:
    """The proxy must lead into the cluster that was asked for: another one is trusted for its own hosts only."""
    if reached.cluster != account.cluster:
        reached.sock.close()
        raise NotAuthenticated(f"the proxy led to the cluster {reached.cluster!r}, not to {account.cluster!r}")


async def _run(reached: Reached, texts: SshTexts, request: SshRequest, lost: int) -> int:
    from teleport.client import ssh_connection, ssh_session

    connection = await ssh_connection.connect(
        reached, request.wanted, texts, forward_agent=request.forward_agent, insecure=request.insecure
    )
    try:
        import asyncssh

        try:
            await start_forwards(connection, request)
            if request.run_nothing:
                await connection.wait_closed()
                if (end := ssh_connection.end_of(connection)) is not None:
                    raise end
                return 0
            session = session_request(request)
            leave_on_signals(connection)
            with terminal.raw(0) if session.term else contextlib.nullcontext():
                status = await ssh_session.run_session(connection, session, watch_size=watch_size)
            if status == lost and isinstance(end := ssh_connection.end_of(connection), asyncssh.ConnectionLost):
                print(f"\ntsh: {ssh_connection.explain(end, str(reached.resource_name))}", file=sys.stderr)
            return status
        except (asyncssh.Error, OSError) as problem:
            where = f"{request.wanted.login}@{reached.resource_name}"
            raise ssh_connection.explain(problem, where) from problem
    finally:
        connection.close()


async def start_forwards(connection: asyncssh.SSHClientConnection, request: SshRequest) -> None:
    """Listeners of all forwards; they end with the connection. Raises Unavailable for one that cannot be had."""
    for forward in request.local:
        with _listening(forward):
            await connection.forward_local_port(_host(forward), forward.port, forward.host, forward.target_port)
    for forward in request.remote:
        await connection.forward_remote_port(_host(forward), forward.port, forward.host, forward.target_port)
    for forward in request.dynamic:
        with _listening(forward):
            await connection.forward_socks(_host(forward), forward.port)


@contextlib.contextmanager
def _listening(forward: Forward) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        # asyncio puts a sentence of its own where the system's belongs
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise Unavailable(f"cannot listen on {forward.bind}:{forward.port}: {reason}") from problem


def session_request(request: SshRequest) -> SessionRequest:
    from teleport.client.ssh_session import SessionRequest

    on_terminal = sys.stdin.isatty()
    wants_terminal = request.terminal if request.terminal is not None else request.command is None and on_terminal
    if not wants_terminal:
        return SessionRequest(request.command, environment=request.environment)
    return SessionRequest(
        request.command,
        term=os.environ.get("TERM") or "xterm",
        size=terminal.size(0),
        modes=terminal.modes(0),
        environment=request.environment,
        escape_keys=request.escape_keys and on_terminal,
    )


def leave_on_signals(connection: asyncssh.SSHClientConnection) -> None:
    """Ended from outside, the session ends in order: the terminal must not stay raw."""
    if os.name != "nt":
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, connection.abort)


def watch_size(changed: Callable[[], None]) -> None:
    """Call back whenever the terminal's size changes."""
    if hasattr(signal, "SIGWINCH"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, changed)


def _host(forward: Forward) -> str:
    return "" if forward.bind == "*" else forward.bind
