"""Gives each incoming connection to the engine that serves it, and ends them all when the agent stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from teleport.engines.catalog import engine_for
from teleport.engines.engine import Connection, Engine, Post
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.net.handoff import HandedOff
from teleport.tunnel.messages import IncomingRequest

log = get_logger("agent")


class Dispatch:
    """One per agent. `drain` lets sessions end by themselves for a while."""

    def __init__(self, engines: Sequence[Engine], post: Post) -> None:
        self._engines = engines
        self._post = post
        self._connections = TaskOwner("connection")

    def __len__(self) -> int:
        return len(self._connections)

    def serve(
        self, raw: HandedOff, request: IncomingRequest, release: Callable[[], None] = lambda: None, way: str = ""
    ) -> None:
        """Take over a raw connection; `release` is called when it has ended. It is closed when nobody serves it."""
        try:
            engine = engine_for(self._engines, request.kind, request.protocol)
        except TeleportError as error:
            log.warning("a connection is refused", error=error, client=request.client_addr, trace_id=request.trace_id)
            raw.close()
            release()
            return
        task = self._connections.start(
            engine.serve(Connection(raw, request, self._post, way)), f"{request.protocol} connection"
        )
        task.add_done_callback(lambda _: release())

    def depart(self, way: str) -> None:
        """The proxy there is stopping."""
        for engine in self._engines:
            engine.drain(way)

    async def drain(self, grace: Callable[[], float]) -> None:
        """Let connections end by themselves for `grace` seconds, which may change meanwhile, then end them."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for engine in self._engines:
            engine.drain()
        while len(self._connections) and (left := began + grace() - loop.time()) > 0:
            await self._connections.wait(min(left, 1.0))
        await self._connections.close()
        for engine in self._engines:
            await engine.close()
