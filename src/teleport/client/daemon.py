"""The resident client: started on demand, it keeps TLS contexts and SSH connections warm and serves one user.

It listens on a Unix socket of mode 0600 in the profile's home and asks the kernel who connects. Commands come with
the descriptors of whoever asks; they end when that process ends. It ends by itself when nobody needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple, TextIO

from teleport.client import ssh_library  # isort: skip
import asyncssh

from teleport import __version__
from teleport.client import daemon_link, ssh_connection, ssh_proxy
from teleport.client.account import Account
from teleport.client.dialer import Wanted, dial
from teleport.client.files import make_directory
from teleport.client.ssh import check_cluster
from teleport.client.ssh_session import SessionRequest
from teleport.client.warm_connections import Kept, WarmConnections
from teleport.client.warm_session import run_on_descriptors
from teleport.foundation.errors import AccessDenied, MfaRequired, TeleportError, Unavailable
from teleport.foundation.service import TaskOwner

assert ssh_library

IDLE_LIMIT = 600.0
_LOOK_AROUND = 15.0
_FIRST_WORDS = 5.0
_OPEN_TIMEOUT = 5.0
_DESCRIPTORS = 3
_PAUSE = 0.25
"""Seconds for others to close something, where there are no descriptors left."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class RunCommand(NamedTuple):
    """A command without a terminal. `asks_for`: what the program would ask for where access is denied, or `off`."""

    account: Account
    wanted: Wanted
    session: SessionRequest
    asks_for: str = "off"


class PassConnection(NamedTuple):
    """A dialled connection: into the descriptor 1 of whoever asks (`over_output`), or back to it."""

    account: Account
    wanted: Wanted
    over_output: bool


class PrintListing(NamedTuple):
    """Something that `write` prints to the descriptor 1 of whoever asks, in a thread."""

    account: Account
    write: Callable[[Account, TextIO], None]


Action = RunCommand | PassConnection | PrintListing
Interpret = Callable[[list[str], dict[str, str]], Action | None]
"""What words and environment ask for; None when it is nothing for the daemon."""


class Daemon:
    """`explain` puts an error into the words of the program."""

    def __init__(
        self, home: str, interpret: Interpret, explain: Callable[[TeleportError], str], idle_limit: float = IDLE_LIMIT
    ) -> None:
        self._home = home
        self._interpret = interpret
        self._explain = explain
        self._idle_limit = idle_limit
        self._warm = WarmConnections()
        self._tasks = TaskOwner("daemon")
        self._stopping = asyncio.Event()
        self._accounts: dict[tuple[str, str, str], Account] = {}
        self._last_asked = time.monotonic()

    async def run(self) -> None:
        """Until asked to stop, or idle for long. Returns at once when another daemon serves this home."""
        held = listen(self._home)
        if held is None:
            return
        listener, lock = held
        try:
            self._tasks.start(self._accept(listener), "accept")
            while not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), min(_LOOK_AROUND, self._idle_limit))
                self._warm.close_unused()
                if not self._warm.is_busy and time.monotonic() - self._last_asked > self._idle_limit:
                    break
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(daemon_link.path_of(self._home))
            listener.close()
            os.close(lock)
            await self._tasks.close()
            self._warm.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                link, _ = await loop.sock_accept(listener)
            except OSError:  # whoever waits goes on waiting: a daemon that hears nobody would hold up every command
                await asyncio.sleep(_PAUSE)
                continue
            if not daemon_link.is_mine(link):
                link.close()
                continue
            link.setblocking(False)
            self._tasks.start(self._serve(link), "request")

    async def _serve(self, link: socket.socket) -> None:
        self._last_asked = time.monotonic()
        descriptors: list[int] = []
        try:
            async with asyncio.timeout(_FIRST_WORDS):
                body = await _receive(link, descriptors)
            version, words, environment = daemon_link.decode_request(body)
            if words == [daemon_link.STOP] or version != __version__:
                self._stopping.set()
                await _answer(link, daemon_link.NOT_ME)
                return
            await self._do(link, words, environment, descriptors)
        except (OSError, ValueError, TimeoutError, UnicodeError):
            pass  # whoever asked has left, or is none of our programs
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            link.close()
            self._last_asked = time.monotonic()

    async def _do(
        self, link: socket.socket, words: list[str], environment: dict[str, str], descriptors: list[int]
    ) -> None:
        action = self._interpret(words, environment)
        if action is None or len(descriptors) != _DESCRIPTORS:
            await _answer(link, daemon_link.NOT_ME)
            return
        action = action._replace(account=self._known(action.account))
        doing = asyncio.get_running_loop().create_task(self._act(action, descriptors))
        leaving = asyncio.get_running_loop().create_task(_left(link))
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not doing.done():
            doing.cancel()
        (result,) = await asyncio.gather(doing, return_exceptions=True)
        match result:
            case int():
                await _answer(link, daemon_link.STATUS + bytes([result & 0xFF]))
            case socket.socket():
                with result:
                    socket.send_fds(link, [daemon_link.DESCRIPTOR], [result.fileno()])
            case MfaRequired() | None:  # only a program on the person's terminal can ask for it
                await _answer(link, daemon_link.NOT_ME)
            case TeleportError():
                os.write(descriptors[2], self._explain(result).encode())
                await _answer(link, daemon_link.STATUS + b"\1")
            case BaseException():
                raise OSError("the command was given up") from result

    def _known(self, account: Account) -> Account:
        """The same account as before, where it is the same: it has its TLS contexts already."""
        return self._accounts.setdefault((account.address, account.record.mark, account.cluster), account)

    async def _act(self, action: Action, descriptors: list[int]) -> int | socket.socket | None:
        """None: the program itself shall do it."""
        if isinstance(action, RunCommand):
            return await self._run(action, descriptors)
        if isinstance(action, PrintListing):
            return await asyncio.to_thread(_print_listing, action, descriptors[1])
        reached = await asyncio.to_thread(dial, action.account, action.wanted)
        check_cluster(action.account, reached)
        if not action.over_output:
            return reached.sock
        with reached.sock, socket.socket(fileno=os.dup(descriptors[1])) as receiver:
            ssh_proxy.hand_over(reached.sock, receiver)
        return 0

    async def _run(self, action: RunCommand, descriptors: list[int]) -> int | None:
        where = f"{action.wanted.login}@{action.wanted.name or 'server'}"
        dead: Kept | None = None
        while True:
            try:
                kept = await self._warm.take(action.account, action.wanted, instead_of=dead)
            except AccessDenied as denied:
                if isinstance(denied, MfaRequired) or not await _may_ask(action):
                    raise
                return None
            try:
                return await run_on_descriptors(kept.connection, action.session, descriptors, _OPEN_TIMEOUT)
            except (TimeoutError, asyncssh.Error) as problem:
                if dead is not None or not _was_dead(kept.connection, problem):
                    raise ssh_connection.explain(problem, where) from problem
                dead = kept
            finally:
                self._warm.give_back(kept)


def _was_dead(connection: asyncssh.SSHClientConnection, problem: Exception) -> bool:
    """Whether it was of no use any more when the command came: a server may close it at that very moment.

    A server that is stopping, or has as many as it takes, says so: another connection may lead to another process.
    """
    if isinstance(problem, asyncssh.ChannelOpenError):
        is_gone = problem.code == asyncssh.OPEN_CONNECT_FAILED and connection.is_closed()
        return is_gone or problem.code == asyncssh.OPEN_RESOURCE_SHORTAGE
    return isinstance(problem, TimeoutError | asyncssh.ConnectionLost)


async def _may_ask(action: RunCommand) -> bool:
    if action.asks_for == "off":
        return False
    from teleport.client import access_requests

    return await asyncio.to_thread(access_requests.may_ask, action.account, action.asks_for)


def listen(home: str) -> tuple[socket.socket, int] | None:
    """The daemon's socket, for nobody else, and the lock that keeps others away; None when another has it.

    It gets its name when it listens: who finds it is heard.
    """
    import fcntl

    make_directory(home)
    path = daemon_link.path_of(home)
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    unnamed = os.path.join(home, "tsh.new")  # no longer than its name: there is a limit
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unnamed)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(unnamed)
    finally:
        os.umask(before)
    listener.listen(64)
    listener.setblocking(False)
    os.replace(unnamed, path)
    return listener, lock


def _print_listing(action: PrintListing, descriptor: int) -> int:
    try:
        with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as out:
            action.write(action.account, out)
            out.flush()
    except BrokenPipeError:  # a reader that has enough
        return 0
    except OSError as problem:
        if problem.errno not in _FULL:
            raise
        raise Unavailable(f"the output could not be written: {problem.strerror}") from problem
    return 0


async def _receive(link: socket.socket, descriptors: list[int]) -> bytes:
    """One request; the descriptors that came with it are appended as they come."""
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        await _readable(link)
        piece, passed, _, _ = socket.recv_fds(link, 65536, _DESCRIPTORS)
        for descriptor in passed:
            os.set_inheritable(descriptor, False)
        descriptors += passed
        if not piece or len(data) > daemon_link.MAX_REQUEST or len(descriptors) > _DESCRIPTORS:
            raise ValueError("a request that is none")
        data += piece
    return data[4:]


async def _readable(link: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(link, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(link)


async def _left(link: socket.socket) -> None:
    """Returns when the process that asked has ended."""
    while True:
        await _readable(link)
        if not link.recv(1024):
            return


async def _answer(link: socket.socket, answer: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(link, answer)
