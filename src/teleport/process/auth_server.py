"""Auth as a service of this process: its listener, its certificate, and the API behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from teleport.auth.bootstrap import LocalIdentity
from teleport.auth.service import AuthService
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.vouching import vouched_client
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.net.http_server import HttpServer
from teleport.net.listener import Accepted, Listener, listen
from teleport.net.peek import peek
from teleport.process.host_tls import HostTls
from teleport.wire import proxy_protocol
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.tls_names import ALPN_HTTP

log = get_logger("auth")

IDENTITY_TTL = timedelta(days=30)
RENEW_EVERY = timedelta(days=1)
TRUST_EVERY = 5.0
_SPEAKS_WITHIN = 10.0
_CALLS_END_WITHIN = 2.0
"""Seconds that calls are given at the end; streams never end by themselves, and are resumed elsewhere."""


class AuthServer:
    """Listens on `address`; `take` also accepts connections that a proxy of this process received."""

    name = "auth"

    def __init__(self, auth: AuthService, address: Address, public_names: Sequence[str], drain: float) -> None:
        self._auth = auth
        self._address = address
        self._names = tuple(public_names)
        self._authorities: tuple[TrustedAuthority, ...] = ()
        self._connections = TaskOwner("auth connection")
        self._server: HttpServer | None = None
        self._tls: HostTls | None = None
        self.drain_timeout = drain
        self.bound: tuple[Address, ...] = ()

    async def run(self, started: Callable[[], None]) -> None:
        await self._auth.prepare()
        await self._refresh_trust()
        identity = await self._identity()
        self._tls = HostTls(
            identity.credentials.tls_certificate.decode(), identity.tls_key, lambda: self._authorities
        )
        self._server = HttpServer(self._auth.app)
        listener = Listener(listen(self._address), self._accept)
        self.bound = tuple(listener.addresses)
        ready = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._auth.run(ready.set), name="auth")
                group.create_task(self._stay_trusted(), name="auth trust")
                await ready.wait()
                listener.start()
                log.info("auth listens", addresses=", ".join(map(str, self.bound)), cluster=self._auth.cluster.name)
                started()
        finally:
            listener.close()
            await self._server.drain(min(self.drain_timeout, _CALLS_END_WITHIN))
            await self._connections.close(0.5)

    def take(self, connection: HandedOff, client: Address, release: Callable[[], None]) -> None:
        """Serve a connection whose first byte is the client's; `release` is called when it ends."""
        self._connections.start(self._serve(connection, client, release))

    def _accept(self, accepted: Accepted) -> None:
        self._connections.start(self._look(accepted))

    async def _look(self, accepted: Accepted) -> None:
        """A proxy elsewhere says whose connection it passes on; nobody else has anything to say before TLS."""
        client = accepted.client
        try:
            header = await peek(
                accepted.sock, proxy_protocol.parse, max_size=proxy_protocol.MAX_SIZE, timeout=_SPEAKS_WITHIN
            )
            if header is not None:
                accepted.sock.recv(header.length)  # all of it is there: it was peeked at
                cluster = self._auth.cluster
                vouched = vouched_client(header, self._authorities, cluster.clock.now(), cluster=cluster.name)
                client = Address(*vouched)
                accepted.count_under(client)
        except (TeleportError, RemoteProtocolError, OSError) as problem:
            log.debug("connection ended", client=accepted.client, error=problem)
            accepted.close()
            return
        await self._serve(HandedOff(accepted.sock), client, accepted.slot.release, accepted.slot.prove)

    async def _serve(
        self,
        connection: HandedOff,
        client: Address,
        release: Callable[[], None],
        proven: Callable[[], None] = lambda: None,
    ) -> None:
        try:
            if self._server is None or self._tls is None:
                connection.close()
                return
            context = self._tls.internal(ALPN_HTTP, require_certificate=False)
            await self._server.serve(connection.sock, context, client, on_open=proven)
        finally:
            release()

    async def _identity(self) -> LocalIdentity:
        return await self._auth.local_identity("Auth", IDENTITY_TTL, self._names)

    async def _refresh_trust(self) -> None:
        self._authorities = await self._auth.cluster.authorities.trusted("host", "user")

    async def _stay_trusted(self) -> None:
        """Follow rotations of the authorities, and renew this server's own certificate."""
        clock = self._auth.cluster.clock
        renewed = clock.monotonic()
        while True:
            await asyncio.sleep(TRUST_EVERY)
            try:
                await self._refresh_trust()
            except TeleportError as problem:
                log.warning("authorities cannot be read now", error=problem)
                continue
            if clock.monotonic() - renewed > RENEW_EVERY.total_seconds() and self._tls is not None:
                identity = await self._identity()
                self._tls.renew(identity.credentials.tls_certificate.decode(), identity.tls_key)
                renewed = clock.monotonic()
