"""Connections that the proxy opens for the people whose browsers it serves: decided, told and carried as any dial."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from teleport.foundation.errors import AccessDenied, TeleportError, from_code
from teleport.model.identity import Identity
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.net.relays import Relay
from teleport.proxy import figures
from teleport.proxy.dial import DialDesk, Granted
from teleport.proxy.hosts import Hosts
from teleport.proxy.terminations import Terminations
from teleport.tunnel.messages import DialAnswer, DialRequest

Identify = Callable[[bytes | None], Identity]


@dataclass(frozen=True)
class InnerConnection:
    """`sock` is raw and non-blocking, and its first byte is the host's; `principal` is what the host must prove."""

    sock: socket.socket
    name: str
    principal: str
    dial_timeout: float
    """Seconds that may pass until the host is reached that is behind the one on this socket."""


class InnerDial:
    """`identify` reads a person's certificate, as at the door for those who dial from outside."""

    def __init__(
        self,
        identify: Identify,
        desk: DialDesk,
        hosts: Hosts,
        relay: Relay,
        terminations: Terminations | None,
    ) -> None:
        self._identify = identify
        self._desk = desk
        self._hosts = hosts
        self._relay = relay
        self._terminations = terminations

    async def open(self, certificate: bytes, request: DialRequest, client: Address) -> InnerConnection:
        """Raises AccessDenied, NotFound, MfaRequired, Unavailable, with the id of the event that tells of it."""
        identity = self._identify(certificate)
        if identity.is_host:
            raise AccessDenied("hosts do not dial resources")
        figures.DIALS.inc()
        outcome = self._desk.decide(identity, request, client)
        if isinstance(outcome, DialAnswer):
            raise from_code(outcome.code, outcome.message, outcome.event_id)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        try:
            await self._lead_on(identity, request, outcome, client, HandedOff(theirs))
        except BaseException as problem:
            ours.close()
            theirs.close()
            if not isinstance(problem, TeleportError):
                raise
            figures.FAILED_DIALS.inc()
            answer = self._desk.refuse(identity, request, client, problem)
            raise from_code(answer.code, answer.message, answer.event_id) from problem
        principal = f"{outcome.node.name}.{identity.cluster}"
        return InnerConnection(ours, outcome.node.hostname, principal, self._hosts.dial_timeout())

    async def _lead_on(
        self, identity: Identity, request: DialRequest, granted: Granted, client: Address, end: HandedOff
    ) -> None:
        terminations = self._terminations
        if terminations is not None and terminations.takes(granted.node, granted.session):
            post = await terminations.prepare(granted.node)
            self._desk.connected(identity, granted, client)
            terminations.serve(end, granted.request, post, _begun())
            return
        agent = await self._hosts.connect(granted.node, granted.request)
        try:
            self._desk.connected(identity, granted, client)  # no record, no connection
        except BaseException:
            agent.close()
            raise
        release = _begun()
        self._relay.join(end, agent, on_end=lambda _: release())


def _begun() -> Callable[[], None]:
    """Count a session; the function that ends it."""
    figures.SESSIONS.inc()
    return figures.SESSIONS.dec
