"""`/healthz`, `/readyz` and `/metrics` over plain HTTP on the diagnostic address."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from teleport.foundation import metrics
from teleport.foundation.service import TaskOwner
from teleport.net.address import Address
from teleport.net.http_server import HttpServer
from teleport.net.listener import Accepted, Listener, listen
from teleport.process.health import Health, State

_STATUS = {State.OK: 200, State.RECOVERING: 400, State.STARTING: 400, State.DEGRADED: 503}


class DiagnosticsService:
    """Raises Unavailable from `run` when the address cannot be had. `only_metrics` leaves the two states away."""

    name = "diagnostics"

    def __init__(self, address: Address, health: Health, *, only_metrics: bool = False) -> None:
        self._address = address
        self._health = health
        self._only_metrics = only_metrics

    async def run(self, started: Callable[[], None]) -> None:
        server = HttpServer(self._application())
        tasks = TaskOwner("diagnostics")

        async def serve(accepted: Accepted) -> None:
            accepted.slot.prove()
            try:
                await server.serve(accepted.sock, None, accepted.client)
            finally:
                accepted.slot.release()

        listener = Listener(listen(self._address), lambda accepted: _start(tasks, serve, accepted))
        listener.start()
        started()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            listener.close()
            await server.drain(1.0)
            await tasks.close()

    def _application(self) -> Starlette:
        routes = [Route("/metrics", self._metrics)]
        if not self._only_metrics:
            routes += [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]
        return Starlette(routes=routes)

    async def _healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, request: Request) -> Response:
        state = self._health.state
        return JSONResponse({"status": state.name.lower(), "pid": os.getpid()}, _STATUS[state])

    async def _metrics(self, request: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE})


def _start(tasks: TaskOwner, serve: Callable[[Accepted], Coroutine[Any, Any, None]], accepted: Accepted) -> None:
    tasks.start(serve(accepted), "diagnostics connection")
