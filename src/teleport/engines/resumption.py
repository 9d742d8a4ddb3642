"""Connections that survive the loss of what carries them: the engine within is handed a socket that stays.

A stream belongs to the person who opened it: only a dial of the same person for the same resource, which the proxy
has decided anew, and which knows the stream's token, carries it on. While nobody carries it, it is kept for a while;
what the engine decides meanwhile (locks, roles, time limits) ends it as ever.

How long depends on how the connection was lost. One that fell silent is the network's: the person comes back when
it does. One that was closed while the tunnel it came through stands was closed by the person's program, which was
killed: one that lives dials again at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from teleport.engines.engine import Connection, Engine
from teleport.foundation.logs import get_logger
from teleport.net.handoff import HandedOff
from teleport.net.resumable import SILENT, ResumablePipe
from teleport.tunnel.messages import IncomingRequest

log = get_logger("resumption")

MOST_STREAMS: Final = 4096
MOST_STREAMS_OF_ONE: Final = 256
_TOKEN_SIZE: Final = 64
_SILENCE: Final = 60.0
_LEFT_FOR: Final = 2.0
"""Seconds a stream is kept whose connection was closed while the tunnel stands."""
_CLOSED_FOR: Final = 60.0
"""Seconds a stream is kept whose connection was closed with the tunnel: a proxy that starts again."""
_LOOK: Final = 0.1
_ENDING: Final = 5.0
"""Seconds for the engine to end a connection that is lost."""
_SILENT_FOR: Final = 600.0
"""Seconds a stream is kept whose connection fell silent: a computer that sleeps, a network that is away."""


@dataclass(eq=False)
class _Held:
    """A stream, whose it is, and the connections that come for it."""

    request: IncomingRequest
    pipe: ResumablePipe
    tunnels: Callable[[], Collection[str]]
    """The proxies that lead here now."""
    way: frozenset[str] = frozenset()
    """Those that did when the connection came."""
    carrier: asyncio.Task[str] | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)


class ResumableSshEngine:
    """SSH over resumable streams."""

    kind = "node"
    protocol = "ssh-resumable"

    def __init__(self, ssh: Engine) -> None:
        """`ssh` serves what is carried; it is closed by its own owner."""
        self._inner = ssh
        self._held: dict[str, _Held] = {}

    def drain(self, way: str = "") -> None:
        """What is carried is drained by its own owner, and outlives its proxy."""

    async def serve(self, connection: Connection) -> None:
        request = connection.request
        try:
            if request.resumes:
                await self._go_on(connection)
            elif self._may_begin(request):
                await self._begin(connection)
            else:
                log.warning("a resumable connection is refused", user=request.user, client=request.client_addr)
        finally:
            connection.raw.close()

    def _may_begin(self, request: IncomingRequest) -> bool:
        of_one = sum(1 for held in self._held.values() if held.request.user == request.user)
        is_room = len(self._held) < MOST_STREAMS and of_one < MOST_STREAMS_OF_ONE
        return is_room and len(request.resumption) == _TOKEN_SIZE and request.resumption not in self._held

    async def _begin(self, connection: Connection) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        request = connection.request
        pipe_within = ResumablePipe(ours, silence=_SILENCE)
        tunnels = connection.post.tunnels
        held = self._held[request.resumption] = _Held(request, pipe_within, tunnels, frozenset(tunnels()))
        loop = asyncio.get_running_loop()
        engine = loop.create_task(self._inner.serve(Connection(HandedOff(theirs), request, connection.post)))
        pipe = loop.create_task(held.pipe.run())
        held.carrier = loop.create_task(held.pipe.carry(connection.raw.sock, connection.raw.leftover, is_first=True))
        keeping = loop.create_task(self._keep(held))
        try:
            await asyncio.wait({pipe, keeping}, return_when=asyncio.FIRST_COMPLETED)
            pipe.cancel()  # to the engine its client is lost, or has gone
            await asyncio.wait({engine}, timeout=_ENDING)
        finally:
            engine.cancel()  # it says farewell through the stream
            await asyncio.gather(engine, return_exceptions=True)
            await asyncio.wait({pipe}, timeout=1.0)
            del self._held[request.resumption]
            tasks = [task for task in (pipe, keeping, held.carrier) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, held: _Held) -> None:
        """Returns when the stream has waited too long for a connection."""
        while True:
            carrier = held.carrier
            assert carrier is not None
            await asyncio.wait({carrier})
            if held.carrier is not carrier:
                continue
            why = "" if carrier.cancelled() else carrier.result()
            held.came.clear()
            log.info("a connection is lost, its stream is kept", user=held.request.user, reason=why)
            if not await self._comes_back(held, is_silent=SILENT in why):
                return

    async def _comes_back(self, held: _Held, *, is_silent: bool) -> bool:
        loop = asyncio.get_running_loop()
        lost, patience = loop.time(), _SILENT_FOR if is_silent else _LEFT_FOR
        while (left := lost + patience - loop.time()) > 0:
            if not held.way <= frozenset(held.tunnels()) or not held.way:
                patience = max(patience, _CLOSED_FOR)
            try:
                async with asyncio.timeout(left if is_silent else min(left, _LOOK)):
                    await held.came.wait()
                return True
            except TimeoutError:
                continue
        return False

    async def _go_on(self, connection: Connection) -> None:
        request = connection.request
        held = self._held.get(request.resumption)
        if held is None or _owner(held.request) != _owner(request):
            log.warning("no such stream to go on with", user=request.user, client=request.client_addr)
            return
        if held.carrier is not None:
            held.carrier.cancel()  # it is dead: nobody comes again otherwise
            await asyncio.gather(held.carrier, return_exceptions=True)
        held.way = frozenset(held.tunnels())
        log.info("a stream goes on", user=request.user, client=request.client_addr)
        loop = asyncio.get_running_loop()
        held.carrier = carrier = loop.create_task(held.pipe.carry(connection.raw.sock, connection.raw.leftover))
        held.came.set()
        await asyncio.wait({carrier})

    async def close(self) -> None:
        """Streams end with the connections that opened them, which their owner has ended."""


def _owner(request: IncomingRequest) -> tuple[str, str, str]:
    return request.user, request.login_hint, request.resource_id
