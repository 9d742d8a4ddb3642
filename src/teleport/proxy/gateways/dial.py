"""Clients that want a resource: who they are, what they may reach, and then two raw sockets joined."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import msgspec

from teleport.foundation.errors import AccessDenied, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.identity import Identity
from teleport.net import frames
from teleport.net.frame_stream import receive_one
from teleport.net.relay_transfer import Transfer
from teleport.net.relays import Relay
from teleport.net.tls import TlsConnection
from teleport.proxy import figures
from teleport.proxy.dial import DialDesk, Granted
from teleport.proxy.gateways.gateway import Arrival
from teleport.proxy.gateways.tunnel import Identify
from teleport.proxy.hosts import Hosts
from teleport.proxy.terminations import Terminations
from teleport.tunnel.messages import DialAnswer, DialRequest

log = get_logger("proxy:dial")

_REQUEST = msgspec.json.Decoder(DialRequest)

_DOUBTFUL = (
    "this certificate is pinned to an IP address, and yours cannot be known for sure: an administrator must set "
    "proxy_protocol to on or off"
)


class DialGateway:
    def __init__(
        self,
        contexts: Callable[[], ssl.SSLContext],
        identify: Identify,
        desk: DialDesk,
        hosts: Hosts,
        relay: Relay,
        terminations: Terminations | None = None,
    ) -> None:
        self._contexts = contexts
        self._identify = identify
        self._desk = desk
        self._hosts = hosts
        self._relay = relay
        self._terminations = terminations

    async def serve(self, arrival: Arrival) -> None:
        tls = await TlsConnection.accept(arrival.sock, self._contexts(), timeout=arrival.time_left)
        try:
            await self._serve(arrival, tls)
        except BaseException:
            await tls.close()
            raise

    async def _serve(self, arrival: Arrival, tls: TlsConnection) -> None:
        request = await receive_one(tls, _REQUEST, timeout=arrival.time_left)
        try:
            identity = self._identify(tls.peer_certificate)
            if identity.is_host:
                raise AccessDenied("hosts do not dial resources")
        except TeleportError as problem:
            log.info("dial refused", client=arrival.client, error=problem)
            await self._refuse(arrival, tls, DialAnswer(allowed=False, code=problem.code, message=problem.message))
            return
        arrival.slot.prove()
        if identity.pinned_ip and arrival.is_client_doubtful:
            outcome: Granted | DialAnswer = self._desk.refuse(
                identity, request, arrival.client, AccessDenied(_DOUBTFUL)
            )
        else:
            outcome = self._desk.decide(identity, request, arrival.client)
        if isinstance(outcome, Granted):
            await self._connect(arrival, tls, identity, request, outcome)
        else:
            log.info("dial refused", client=arrival.client, user=identity.username, reason=outcome.message)
            await self._refuse(arrival, tls, outcome)

    async def _connect(
        self, arrival: Arrival, tls: TlsConnection, identity: Identity, request: DialRequest, granted: Granted
    ) -> None:
        figures.DIALS.inc()
        terminations = self._terminations
        if terminations is not None and terminations.takes(granted.node, granted.session):
            await self._terminate(arrival, tls, identity, request, granted, terminations)
            return
        try:
            agent = await self._hosts.connect(granted.node, granted.request)
        except TeleportError as problem:
            figures.FAILED_DIALS.inc()
            answer = self._desk.refuse(identity, request, arrival.client, problem)
            await self._refuse(arrival, tls, answer)
            return
        try:
            self._desk.connected(identity, granted, arrival.client)  # no record, no connection
            client = await tls.unwrap(frames.encode(granted.answer))
        except BaseException:
            agent.close()  # the client may have left while we dialled
            raise
        release = self._begun(arrival)

        def ended(_: Transfer) -> None:
            release()

        self._relay.join(client, agent, on_end=ended)

    async def _terminate(
        self,
        arrival: Arrival,
        tls: TlsConnection,
        identity: Identity,
        request: DialRequest,
        granted: Granted,
        terminations: Terminations,
    ) -> None:
        """The connection ends here, in an engine of this process."""
        try:
            post = await terminations.prepare(granted.node)
        except TeleportError as problem:
            figures.FAILED_DIALS.inc()
            await self._refuse(arrival, tls, self._desk.refuse(identity, request, arrival.client, problem))
            return
        self._desk.connected(identity, granted, arrival.client)
        answer = msgspec.structs.replace(granted.answer, asks_key_agent=terminations.asks_key_agent(granted.node))
        client = await tls.unwrap(frames.encode(answer))
        terminations.serve(client, granted.request, post, self._begun(arrival))

    @staticmethod
    def _begun(arrival: Arrival) -> Callable[[], None]:
        """Count a session; the function that ends it."""
        figures.SESSIONS.inc()

        def ended() -> None:
            figures.SESSIONS.dec()
            arrival.slot.release()

        return ended

    async def _refuse(self, arrival: Arrival, tls: TlsConnection, answer: DialAnswer) -> None:
        await tls.write(frames.encode(answer))
        await tls.close()
        arrival.slot.release()
