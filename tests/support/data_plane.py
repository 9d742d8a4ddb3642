"""A cluster's certificates, sockets and a tunnel on loopback, for tests of the data plane."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from authorities import Authority

from teleport.credentials import tls_contexts, x509
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.clock import SystemClock
from teleport.foundation.retry import Backoff
from teleport.model.identity import Identity
from teleport.net.address import Address
from teleport.tunnel.agent_pool import AgentTiming, TunnelContexts, TunnelIdentity
from teleport.wire.tls_names import ALPN_DIAL, ALPN_TUNNEL, ALPN_TUNNEL_DATA

CLUSTER = "example"


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets on loopback: a blocking one with a time limit, and a non-blocking one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    client.settimeout(30)
    accepted.setblocking(False)
    return client, accepted


async def eventually(condition: Callable[[], bool], what: str, within: float = 30.0) -> None:
    """Look again until it holds; for what the other side of a socket does in its own time."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within} s: {what}"
        await asyncio.sleep(0.005)


def quick_backoff() -> Backoff:
    return Backoff(timedelta(milliseconds=20), timedelta(milliseconds=100))


@dataclass
class Cluster:
    """Authorities, and contexts for everyone in a cluster."""

    name: str = CLUSTER
    clock: SystemClock = field(default_factory=SystemClock)
    extra_client_cas: tuple[str, ...] = ()
    """Other authorities that the proxy's TLS accepts; whom they speak for is decided afterwards."""

    def __post_init__(self) -> None:
        now = self.clock.now()
        self.host_ca = Authority("host", self.name, now)
        self.user_ca = Authority("user", self.name, now)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def authorities(self) -> tuple[TrustedAuthority, ...]:
        return (self.host_ca.trusted, self.user_ca.trusted)

    def host(self, host_id: str, role: str = "Node") -> tuple[str, str]:
        """Certificate and key of a host, in PEM."""
        key = PrivateKey.generate("ecdsa-p256")
        identity = Identity(
            username=f"{host_id}.{self.name}",
            host_id=host_id,
            cluster=self.name,
            expires=self.now + timedelta(hours=1),
            system_role=role,  # type: ignore[arg-type]
        )
        return x509.issue_host(identity, key.public, self.host_ca.tls, self.now), key.pem()

    def user(self, name: str = "alice", roles: tuple[str, ...] = ("access",), **facts: object) -> tuple[str, str]:
        key = PrivateKey.generate("ecdsa-p256")
        issued = facts.pop("issued", self.now)
        expires = facts.pop("expires", self.now + timedelta(hours=1))
        assert isinstance(issued, datetime)
        assert isinstance(expires, datetime)
        identity = Identity(username=name, cluster=self.name, expires=expires, roles=roles, **facts)  # type: ignore[arg-type]
        return x509.issue_user(identity, key.public, self.user_ca.tls, issued), key.pem()

    def proxy_contexts(self) -> Callable[[str], ssl.SSLContext]:
        """By the ALPN protocol they answer with."""
        chain, key = self.host("proxy-1", "Proxy")
        trusted = (self.host_ca.tls.certificate, self.user_ca.tls.certificate, *self.extra_client_cas)
        contexts = {
            alpn: tls_contexts.server_context(
                chain, key, client_ca_pems=trusted, require_client_certificate=False, alpn=(alpn,)
            )
            for alpn in (ALPN_DIAL, ALPN_TUNNEL, ALPN_TUNNEL_DATA)
        }
        return contexts.__getitem__

    def client_context(self, pair: tuple[str, str] | None, alpn: str) -> ssl.SSLContext:
        chain, key = pair or ("", "")
        return tls_contexts.client_context(
            (self.host_ca.tls.certificate,), chain_pem=chain, key_pem=key, alpn=(alpn,)
        )

    def tunnel_identity(self, host_id: str, *, pair: tuple[str, str] | None = None) -> TunnelIdentity:
        pair = pair or self.host(host_id)
        contexts = TunnelContexts(self.client_context(pair, ALPN_TUNNEL), self.client_context(pair, ALPN_TUNNEL_DATA))
        return TunnelIdentity(host_id, self.name, lambda: contexts, version="18.0.0")

    def web_context(self) -> ssl.SSLContext:
        key = PrivateKey.generate("ecdsa-p256")
        return tls_contexts.server_context(
            x509.issue_server(["localhost", "127.0.0.1"], key, self.now), key.pem(), alpn=("http/1.1",)
        )


QUICK = AgentTiming(connect=5.0, answer=5.0, silence=30.0, duplicate_retry=0.1)
FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def echo_server() -> AsyncIterator[Address]:
    """Returns what it receives, and ends its direction when the other has ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Address(*server.sockets[0].getsockname()[:2])
