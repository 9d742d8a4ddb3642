"""HTTPS: the public API, browsers' API and the web application, under the proxy's public certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from teleport.net.http_server import HttpServer
from teleport.proxy.gateways.gateway import Arrival
from teleport.wire.client_hello import ClientHello


class WebGateway:
    """`contexts` picks a certificate by the server name asked for; it offers ALPN http/1.1 alone."""

    def __init__(self, server: HttpServer, contexts: Callable[[str], ssl.SSLContext]) -> None:
        self._server = server
        self._contexts = contexts

    async def serve(self, arrival: Arrival) -> None:
        name = arrival.opening.server_name if isinstance(arrival.opening, ClientHello) else ""
        try:
            # its own time limits begin here: strangers may use the public API
            await self._server.serve(arrival.sock, self._contexts(name), arrival.client, on_open=arrival.slot.prove)
        finally:
            arrival.slot.release()
