"""The SSH server of a host without an agent, honest but for what a test lets it do, and the way of a post to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncssh
from asyncssh.packet import SSHPacket
from ssh_post import CLUSTER

from teleport.credentials.authorities import SshAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.credentials.ssh_certificates import issue_user
from teleport.model.identity import Identity
from teleport.net.handoff import HandedOff

Behave = Callable[["HostConnection", asyncssh.SSHServerProcess[bytes]], Awaitable[None]]


class HostConnection(asyncssh.SSHServerConnection):
    """Keeps the types of all packets it received."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.heard: list[int] = []

    def log_received_packet(self, pkttype: int, pktid: int | None, packet: bytes | SSHPacket, note: str = "") -> None:
        self.heard.append(pkttype)

    def send_bare(self, kind: int, *parts: bytes) -> None:
        """A packet whatever the state of the channel that it speaks of."""
        asyncssh.SSHServerConnection.send_packet(self, kind, *parts)

    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def is_over(self) -> bool:
        return self._transport is None


class _Owner(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return True


@dataclass
class RemoteHost:
    """An `engines.upstream.Upstream` that leads to it."""

    port: int
    now: Callable[[], Any]
    connections: list[HostConnection] = field(default_factory=list)
    names: Sequence[str] = ("host",)
    checks_host: bool = False
    asks_key_agent: bool = False

    def host_authorities(self) -> Sequence[TrustedAuthority]:
        return ()

    async def connect(self, login: str, user: str, client_address: str) -> HandedOff:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return HandedOff(sock)

    async def certify(self, shown: str, login: str, key: PublicKey, client_ip: str) -> str:
        identity = Identity(
            username="alice",
            cluster=CLUSTER,
            roles=("access",),
            logins=(login,),
            expires=self.now() + timedelta(minutes=5),
        )
        signer = SshAuthority(kind="openssh", cluster=CLUSTER, signer=PrivateKey.generate("ed25519"))
        return issue_user(identity, key, signer, self.now())


@asynccontextmanager
async def remote_host(
    now: Callable[[], Any], behave: Behave, kind: type[HostConnection] = HostConnection, **options: Any
) -> AsyncIterator[RemoteHost]:
    """Running: `behave` has each session that is asked for."""
    host = RemoteHost(0, now)

    async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
        (connection,) = (one for one in host.connections if one is process.channel.get_connection())
        await behave(connection, process)

    settings = await asyncssh.SSHServerConnectionOptions.construct(
        server_factory=_Owner, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")], config=None,
        process_factory=serve, encoding=None, agent_forwarding=False, gss_host=None, **options,
    )  # fmt: skip
    loop = asyncio.get_running_loop()

    def make() -> HostConnection:
        host.connections.append(kind(loop, settings))
        return host.connections[-1]

    server = await loop.create_server(make, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for connection in host.connections:
            connection.abort()
