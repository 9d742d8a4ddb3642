"""Agents: control connections, and data connections that wait until they are needed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from teleport.foundation.errors import AccessDenied, NotAuthenticated
from teleport.foundation.logs import get_logger
from teleport.model.identity import Identity
from teleport.net.frame_stream import receive_one
from teleport.net.tls import TlsConnection
from teleport.proxy.gateways.gateway import Arrival
from teleport.tunnel.messages import AgentHello, DataHello
from teleport.tunnel.registry import AgentRegistry

log = get_logger("proxy:tunnel")

Identify = Callable[[bytes | None], Identity]
"""The holder of a certificate. Raises NotAuthenticated, AccessDenied."""

_AGENT_HELLO = msgspec.json.Decoder(AgentHello)
_DATA_HELLO = msgspec.json.Decoder(DataHello)
_Hello = TypeVar("_Hello", AgentHello, DataHello)


class _Agents(Generic[_Hello]):
    """Handshake, certificate and first message, within the time that is left."""

    def __init__(
        self, contexts: Callable[[], ssl.SSLContext], identify: Identify, decoder: msgspec.json.Decoder[_Hello]
    ) -> None:
        self._contexts = contexts
        self._identify = identify
        self._decoder: msgspec.json.Decoder[_Hello] = decoder

    async def greet(self, arrival: Arrival) -> tuple[TlsConnection, _Hello]:
        tls = await TlsConnection.accept(arrival.sock, self._contexts(), timeout=arrival.time_left)
        try:
            identity = self._identify(tls.peer_certificate)
            if not identity.is_host:
                raise AccessDenied("only hosts open tunnels")
            hello = await receive_one(tls, self._decoder, timeout=arrival.time_left)
            if hello.host_id != identity.host_id:
                raise NotAuthenticated(f"host {identity.host_id} claims to be another")
        except BaseException as problem:
            log.info("agent refused", client=arrival.client, error=problem)
            await tls.close()
            raise
        arrival.slot.prove()
        return tls, hello


class TunnelGateway:
    """Control connections."""

    def __init__(
        self, contexts: Callable[[], ssl.SSLContext], identify: Identify, cluster: str, registry: AgentRegistry
    ) -> None:
        self._agents = _Agents(contexts, identify, _AGENT_HELLO)
        self._cluster = cluster
        self._registry = registry

    async def serve(self, arrival: Arrival) -> None:
        try:
            tls, hello = await self._agents.greet(arrival)
            if hello.cluster != self._cluster:
                await tls.close()
                raise NotAuthenticated(f"an agent of another cluster: {hello.cluster}")
            await self._registry.serve_control(tls, hello)
        finally:
            arrival.close()


class TunnelDataGateway:
    """Data connections."""

    def __init__(self, contexts: Callable[[], ssl.SSLContext], identify: Identify, registry: AgentRegistry) -> None:
        self._agents = _Agents(contexts, identify, _DATA_HELLO)
        self._registry = registry

    async def serve(self, arrival: Arrival) -> None:
        tls, hello = await self._agents.greet(arrival)
        # from here on it is its control connection that counts
        arrival.slot.release()
        await self._registry.serve_data(tls, hello)
