"""The SSH engine: one asyncssh server connection on each socket it is given."""

from __future__ import annotations

import asyncio
import copy

import asyncssh

from teleport.engines.admission import Admissions, keep_alive
from teleport.engines.engine import Connection, Limits, Post, SshHostKey
from teleport.engines.ssh.algorithms import server_options
from teleport.engines.ssh.backend import Backend
from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.inlet import Inlet
from teleport.engines.ssh.local_backend import LocalBackend
from teleport.engines.ssh.remote_backend import RemoteBackend
from teleport.engines.ssh.runs import run_for
from teleport.engines.ssh.spawner import Spawner
from teleport.engines.ssh.visit import FAREWELL, PARTING_WORDS, Visit
from teleport.foundation.logs import get_logger

log = get_logger("ssh")


class SshEngine:
    """Serves nodes over SSH. Its connections share the small program that starts sessions, and options."""

    kind = "node"
    protocol = "ssh"

    def __init__(self) -> None:
        self._spawner = Spawner()
        self._admissions = Admissions()
        self._visits: set[Visit] = set()
        self._options: dict[tuple[SshHostKey, Limits, float, int], asyncssh.SSHServerConnectionOptions] = {}

    async def serve(self, connection: Connection) -> None:
        visit: Visit | None = None
        try:
            options = await self._options_for(connection.post)
            visit = Visit(connection, self._admissions, self._backend, lambda host: SessionChannel(host, run_for))
            self._visits.add(visit)
            await self._open(connection, options, visit)
            await asyncio.wait({visit.ended})  # not the future itself: a cancelled wait would end it
        except asyncio.CancelledError:
            if visit is not None and not visit.ended.done():
                await _send_away(visit)
            raise
        except OSError as error:
            log.debug("a connection was lost while it was set up", error=error)
        finally:
            if visit is not None:
                self._visits.discard(visit)
                await visit.close()
            else:
                connection.raw.close()

    def _backend(self, visit: Visit) -> Backend:
        upstream = visit.post.upstream
        return LocalBackend(visit, self._spawner) if upstream is None else RemoteBackend(visit, upstream)

    async def _open(self, connection: Connection, options: asyncssh.SSHServerConnectionOptions, visit: Visit) -> None:
        loop = asyncio.get_running_loop()
        mine = copy.copy(options)
        mine.protocol_factory = lambda: visit
        link = ServerConnection(loop, mine, visit, connection.client_address)
        visit.attach(link)
        try:
            await loop.create_connection(lambda: Inlet(link), sock=connection.raw.sock)
        except BaseException:
            connection.raw.close()
            raise
        if connection.raw.leftover:
            link.take(memoryview(connection.raw.leftover))

    async def _options_for(self, post: Post) -> asyncssh.SSHServerConnectionOptions:
        seconds, count = keep_alive(post.replica)
        key = (post.host_key(), post.limits, seconds, count)
        options = self._options.get(key)
        if options is None:
            options = await server_options(key[0], post.limits, seconds, count)
            self._options = {key: options}
        return options

    def drain(self, way: str = "") -> None:
        for visit in tuple(self._visits):
            if not way or visit.connection.way == way:
                visit.drain("the proxy is stopping" if way else PARTING_WORDS)

    async def close(self) -> None:
        await self._admissions.close()
        await self._spawner.close()


async def _send_away(visit: Visit) -> None:
    visit.leave(PARTING_WORDS)
    await asyncio.wait({visit.ended}, timeout=3 * FAREWELL)
