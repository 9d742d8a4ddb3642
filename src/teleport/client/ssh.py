"""`tsh ssh`: dial, connect, run. The dial is under way while the SSH library is still being imported."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from teleport.client import terminal
from teleport.client.account import Account, SshTexts
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.ssh_forwards import Forwards
from teleport.foundation.errors import AccessDenied, MfaRequired, NotAuthenticated, Unavailable

if TYPE_CHECKING:
    import asyncssh

    from teleport.client.resuming import Opened
    from teleport.client.ssh_session import SessionRequest
    from teleport.client.x11 import X11Choice, X11Display


class SshRequest(NamedTuple):
    """What `tsh ssh` was asked for. `terminal` None: a terminal for a shell, none for a command."""

    wanted: Wanted
    command: str | None = None
    terminal: bool | None = None
    run_nothing: bool = False
    local_command: tuple[str, ...] = ()
    """Runs here, while the forwards last."""
    forwards: Forwards = Forwards()
    forward_agent: bool = False
    x11: X11Choice | None = None
    environment: Mapping[str, str] = {}
    escape_keys: bool = True
    no_input: bool = False
    background: bool = False
    quiet: bool = False
    resumes: bool | None = False
    """Whether a session on a terminal, or forwards alone, shall survive lost connections. None: a terminal's does."""
    alive_interval: float | None = None
    alive_count: int | None = None
    insecure: bool = False
    mfa_mode: str = "auto"


Regain = Callable[[Account, Wanted, AccessDenied], Account]
"""Who is denied may ask for access: the account that has it now. Raises the denial where there is nothing to ask."""


class _Dialling(threading.Thread):
    """A dial in the background; `result` waits for it and raises what it raised."""

    def __init__(self, account: Account, wanted: Wanted, *, resumable: bool) -> None:
        super().__init__(daemon=True)
        self._account = account
        self._wanted = wanted
        self._resumable = resumable
        self.stream: Opened | None = None
        self._reached: Reached | None = None
        self._problem: BaseException | None = None

    def run(self) -> None:
        try:
            if self._resumable:
                from teleport.client.resuming import open_stream

                self._reached, self.stream = open_stream(self._account, self._wanted)
            else:
                self._reached = dial(self._account, self._wanted)
        except BaseException as problem:
            self._problem = problem

    def result(self) -> Reached:
        self.join()
        if self._problem is not None:
            raise self._problem
        assert self._reached is not None
        return self._reached


def run(account: Account, request: SshRequest, regain: Regain | None = None) -> int:
    """The exit status of the remote command, or of the shell."""
    if request.background:
        from teleport.client.background import in_background

        return in_background(lambda leave: _perform(account, request, leave, regain))
    return _perform(account, request, lambda: None, regain)


def _perform(account: Account, request: SshRequest, connected: Callable[[], None], regain: Regain | None) -> int:
    dialling = _start_dialling(account, request)
    from teleport.client import ssh_session  # while the dial is under way

    try:
        account, reached = _reach(account, request, dialling)
    except AccessDenied as denied:
        if regain is None:
            raise
        account = regain(account, request.wanted, denied)
        dialling = _start_dialling(account, request)
        account, reached = _reach(account, request, dialling)
    texts = account.ssh()
    check_cluster(account, reached)
    with asyncio.Runner() as runner:
        return runner.run(
            _run_over(account, dialling.stream, reached, texts, request, ssh_session.CONNECTION_LOST, connected)
        )


def _start_dialling(account: Account, request: SshRequest) -> _Dialling:
    dialling = _Dialling(account, request.wanted, resumable=_is_resumable(request))
    dialling.start()
    return dialling


def _reach(account: Account, request: SshRequest, dialling: _Dialling) -> tuple[Account, Reached]:
    """With a second factor, where one is needed."""
    try:
        return account, dialling.result()
    except MfaRequired:
        from teleport.client import session_mfa

        return session_mfa.reach_proven(account, request.wanted, request.mfa_mode)


def _is_resumable(request: SshRequest) -> bool:
    """Not for commands without a terminal: scripts rather hear at once that something is wrong."""
    is_command = request.command is not None and not request.terminal and not request.local_command
    if request.resumes is None:
        is_shell = request.command is None and not request.run_nothing and not request.local_command
        has_terminal = request.terminal or (request.terminal is None and is_shell)
        return bool(has_terminal) and not request.background and sys.stdin.isatty()
    return request.resumes and not is_command


async def _run_over(
    account: Account,
    stream: Opened | None,
    reached: Reached,
    texts: SshTexts,
    request: SshRequest,
    lost: int,
    connected: Callable[[], None],
) -> int:
    """Over the stream where there is one, else over the connection itself."""
    if stream is None:
        return await _run(reached, texts, request, lost, connected)
    from teleport.client.resuming import ResumingLink

    link = ResumingLink(account, stream)
    if not request.quiet and sys.stderr.isatty():
        link.on_pause = _tell_of_pause
    link.start()
    try:
        # the stream itself looks whether the server is there
        request = request._replace(alive_interval=request.alive_interval or 0.0)
        return await _run(reached._replace(sock=link.sock), texts, request, lost, connected)
    finally:
        await link.close()
        if link.problem and not request.quiet:
            print(f"\ntsh: {link.problem}", file=sys.stderr)


def _tell_of_pause() -> None:
    """On a line of its own; the terminal may be raw."""
    sys.stderr.write("\r\ntsh: the connection is lost, trying again; Enter ~. gives up\r\n")
    sys.stderr.flush()


def check_cluster(account: Account, reached: Reached) -> None:
    """The proxy must lead into the cluster that was asked for: another one is trusted for its own hosts only."""
    if reached.cluster != account.cluster:
        reached.sock.close()
        raise NotAuthenticated(f"the proxy led to the cluster {reached.cluster!r}, not to {account.cluster!r}")


async def _run(
    reached: Reached, texts: SshTexts, request: SshRequest, lost: int, connected: Callable[[], None]
) -> int:
    from teleport.client import ssh_connection, ssh_forwards

    connection = await ssh_connection.connect(
        reached,
        request.wanted,
        texts,
        forward_agent=request.forward_agent,
        insecure=request.insecure,
        alive_interval=request.alive_interval,
        alive_count=request.alive_count,
    )
    try:
        import asyncssh

        try:
            await ssh_forwards.start(connection, request.forwards)
            connected()
            if request.local_command:
                status = await _run_here(request.local_command)
                await ssh_forwards.finish(connection)
                return status
            if request.run_nothing:
                await connection.wait_closed()
                if (end := ssh_connection.end_of(connection)) is not None:
                    raise end
                return 0
            status = await _run_there(connection, request)
            await ssh_forwards.finish(connection)
            end = ssh_connection.end_of(connection)
            if status == lost and isinstance(end, asyncssh.ConnectionLost) and not request.quiet:
                print(f"\ntsh: {ssh_connection.explain(end, str(reached.resource_name))}", file=sys.stderr)
            return status
        except (asyncssh.Error, OSError) as problem:
            where = f"{request.wanted.login}@{reached.resource_name}"
            raise ssh_connection.explain(problem, where) from problem
    finally:
        connection.close()


async def _run_there(connection: asyncssh.SSHClientConnection, request: SshRequest) -> int:
    from teleport.client import ssh_session

    with contextlib.ExitStack() as ends:
        session = session_request(request)
        if request.x11 is not None:
            session = session._replace(x11=_display(request.x11, ends, request.quiet))
        leave_on_signals(connection)
        ends.enter_context(terminal.raw(0) if session.term else contextlib.nullcontext())
        source = ends.enter_context(_input(request.no_input))
        return await ssh_session.run_session(connection, session, (source, 1, 2), watch_size=watch_size)


def _display(choice: X11Choice, ends: contextlib.ExitStack, quiet: bool) -> X11Display | None:
    """As with ssh, the session goes on where there is no display; it is told why."""
    from teleport.client import x11

    try:
        return ends.enter_context(x11.forwarded(choice))
    except Unavailable as problem:
        if not quiet:
            print(f"WARNING: X11 is not forwarded: {problem}", file=sys.stderr)
        return None


@contextlib.contextmanager
def _input(nothing: bool) -> Iterator[int]:
    """The descriptor that a session reads."""
    if not nothing:
        yield 0
        return
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _run_here(command: Sequence[str]) -> int:
    try:
        child = await asyncio.create_subprocess_exec(*command)
    except OSError as problem:
        raise Unavailable(f"{command[0]} cannot be run here: {problem.strerror}") from problem
    status = await child.wait()
    return status if status >= 0 else 128 - status


def session_request(request: SshRequest) -> SessionRequest:
    from teleport.client.ssh_session import SessionRequest

    on_terminal = sys.stdin.isatty() and not request.no_input
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
