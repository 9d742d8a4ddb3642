"""What an engine is, and everything it may use: the connection it was handed and the post it serves at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol

from teleport.credentials.authorities import TrustedAuthority
from teleport.engines.host_accounts.host_accounts import HostAccounts
from teleport.engines.host_offers import HostOffers
from teleport.engines.kernel_recording.recorder import KernelRecorder
from teleport.engines.upstream import Upstream
from teleport.foundation.clock import Clock
from teleport.foundation.errors import NotFound
from teleport.model.resources.node import Node
from teleport.model.resources.session_recording_config import SessionRecordingConfig
from teleport.net.handoff import HandedOff
from teleport.session.emitter import Emitter
from teleport.session.leases import Leases
from teleport.session.live import LiveSession
from teleport.session.recorder import RecorderFactory
from teleport.session.tracker import Trackers
from teleport.storage.replica import Replica
from teleport.tunnel.messages import IncomingRequest


@dataclass(frozen=True)
class SshHostKey:
    """The key an SSH server shows, and the certificate the host CA gave it.

    `private_key` is an OpenSSH private key, `certificate` a line as in `id-cert.pub`.
    """

    private_key: bytes = field(repr=False)
    certificate: bytes


@dataclass(frozen=True)
class Limits:
    """What one connection may cost. `login_grace` covers everything up to a finished authentication."""

    login_grace: timedelta = timedelta(seconds=30)
    channels: int = 64
    """Channels of every sort on one connection, where the role sets no smaller number of sessions."""
    listeners: int = 32
    """Ports and sockets a client may ask one connection to listen on."""
    environment: int = 64 << 10
    """Bytes of variables a client may set."""


class Governed(Protocol):
    """Knows the servers without an agent, whose sessions are recorded by proxies."""

    async def at(self, hosts: Sequence[str], port: int) -> str:
        """What the server at one of these names or addresses is called; empty for none. Raises TeleportError."""
        ...


@dataclass
class Post:
    """Where an engine serves: the host, what it knows of the cluster, and whom it tells. One per process and host.

    `host_key`, `node` and `user_authorities` are asked for anew by each connection, as they may change.
    `user_authorities` are the authorities whose user certificates are trusted here.
    """

    cluster: str
    host_id: str
    hostname: str
    data_dir: Path
    clock: Clock
    replica: Replica
    emitter: Emitter
    recorders: RecorderFactory
    trackers: Trackers
    leases: Leases
    node: Callable[[], Node]
    host_key: Callable[[], SshHostKey]
    user_authorities: Callable[[], Sequence[TrustedAuthority]]
    proxy_address: str = ""
    permit_user_environment: bool = False
    permit_port_forwarding: bool = True
    permit_file_copy: bool = True
    offers: HostOffers = field(default_factory=HostOffers)
    accounts: HostAccounts | None = None
    """Makes host users for sessions; None where the operator does not want that."""
    kernel: KernelRecorder | None = None
    """Tells what the kernel sees of sessions; None where the operator has not enabled it."""
    limits: Limits = field(default_factory=Limits)
    governed: Governed | None = None
    """Tells servers that proxies alone may lead to; None where nobody can say."""
    upstream: Upstream | None = None
    """The host that is served, where it is another than this one."""
    tunnels: Callable[[], Collection[str]] = tuple
    """The ids of the proxies that lead here now."""
    sessions: dict[str, LiveSession] = field(default_factory=dict)
    """The sessions that run now, by id."""


@dataclass(frozen=True)
class Connection:
    """A raw, non-blocking TCP connection whose first byte is the client's, and who the proxy says comes over it.

    The engine owns it from here on and closes it. `request` is a hint: the engine authenticates anew. `way` is the
    same for all that pass the same proxy; empty where none carries it, or it may change.
    """

    raw: HandedOff
    request: IncomingRequest
    post: Post
    way: str = ""

    @cached_property
    def is_told_by_proxy(self) -> bool:
        """A proxy is the client, and does what is to be done once: record, moderate, count, tell the log.

        A proxy that says so is believed where the cluster records at proxies, and nowhere else.
        """
        if not self.request.is_from_proxy:
            return False
        try:
            return self.post.replica.get_singleton(SessionRecordingConfig).spec.at_proxy
        except NotFound:
            return False

    @property
    def client_address(self) -> tuple[str, int]:
        """Address of the person's own machine, as far as it is known."""
        text = self.request.client_addr
        host, _, port = text.rpartition(":")
        if host and port.isdigit():
            return host.strip("[]"), int(port)
        try:
            peer = self.raw.sock.getpeername()
        except OSError:
            return "", 0
        return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and len(peer) >= 2 else ("", 0)


class Engine(Protocol):
    """Serves one protocol. `kind` is the kind of resource, `protocol` what is spoken."""

    kind: str
    protocol: str

    async def serve(self, connection: Connection) -> None:
        """Return when the connection has ended and nothing of it is left. Cancelled: end it at once, and say why."""
        ...

    def drain(self, way: str = "") -> None:
        """This process is to stop: nothing begins any more on connections that are open, what runs goes on.

        With a way, it is the proxy there that is to stop, and only what passes it is meant.
        """
        ...

    async def close(self) -> None:
        """Give back what the engine shares between connections."""
        ...
