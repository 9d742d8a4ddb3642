"""Starting the forwards of one SSH connection; they end with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple

from teleport.client.forwarding import Forward
from teleport.foundation.errors import AccessDenied, TeleportError, Unavailable

if TYPE_CHECKING:
    import asyncssh


class Forwards(NamedTuple):
    """All that one command asks for. `must_start`: one that cannot be had ends the command, else it is told."""

    local: tuple[Forward, ...] = ()
    remote: tuple[Forward, ...] = ()
    dynamic: tuple[Forward, ...] = ()
    must_start: bool = True


async def start(connection: asyncssh.SSHClientConnection, forwards: Forwards) -> None:
    """Raises Unavailable for what cannot be had here, AccessDenied for what the server refuses."""
    for forward in forwards.local:
        await _started(_local(connection, forward), forward, forwards.must_start)
    for forward in forwards.remote:
        await _started(_remote(connection, forward), forward, forwards.must_start)
    for forward in forwards.dynamic:
        socks = connection.forward_socks(_host(forward), forward.port)
        await _started(socks, forward, forwards.must_start)


async def finish(connection: asyncssh.SSHClientConnection) -> None:
    """Wait, as ssh does, until nothing is forwarded any more: what was sent last is still under way."""
    import asyncssh

    kinds = (asyncssh.SSHTCPChannel, asyncssh.SSHUNIXChannel)
    while forwarded := [one for one in connection._channels.values() if isinstance(one, kinds)]:  # noqa: SLF001
        await forwarded[0].wait_closed()


async def _started(starting: Awaitable[object], forward: Forward, must_start: bool) -> None:
    import asyncssh

    problem: TeleportError
    try:
        await starting
        return
    except asyncssh.ChannelListenError as refusal:
        problem = AccessDenied(f"the server does not listen on {forward.listens_at}: {refusal}")
        cause: Exception = refusal
    except OSError as failure:
        # asyncio puts a sentence of its own where the system's belongs
        reason = os.strerror(failure.errno) if failure.errno else str(failure)
        problem = Unavailable(f"cannot listen on {forward.listens_at}: {reason}")
        cause = failure
    if must_start:
        raise problem from cause
    print(f"WARNING: {problem}", file=sys.stderr)


def _local(connection: asyncssh.SSHClientConnection, forward: Forward) -> Awaitable[object]:
    if forward.path and forward.target_path:
        return connection.forward_local_path(forward.path, forward.target_path)
    if forward.path:
        return connection.forward_local_path_to_port(forward.path, forward.host, forward.target_port)
    if forward.target_path:
        return connection.forward_local_port_to_path(_host(forward), forward.port, forward.target_path)
    return connection.forward_local_port(_host(forward), forward.port, forward.host, forward.target_port)


def _remote(connection: asyncssh.SSHClientConnection, forward: Forward) -> Awaitable[object]:
    if forward.path and forward.target_path:
        return connection.forward_remote_path(forward.path, forward.target_path)
    if forward.path:
        return connection.forward_remote_path_to_port(forward.path, forward.host, forward.target_port)
    if forward.target_path:
        return connection.forward_remote_port_to_path(_host(forward), forward.port, forward.target_path)
    return connection.forward_remote_port(_host(forward), forward.port, forward.host, forward.target_port)


def _host(forward: Forward) -> str:
    return "" if forward.bind == "*" else forward.bind
