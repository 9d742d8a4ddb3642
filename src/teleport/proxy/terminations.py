"""SSH that ends at the proxy: of servers that run no agent of ours, and of all where proxies record.

The proxy is then what an agent is elsewhere: it shows a host certificate for the server, decides, records and tells
with the server's names, and goes on to the server as a client. One engine does both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from teleport.api.client import Client
from teleport.api.governed import GovernedServers
from teleport.api.routes import agentless
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.engines.engine import Connection, Limits, Post, SshHostKey
from teleport.engines.ssh.engine import SshEngine
from teleport.engines.upstream import Upstream
from teleport.foundation.clock import Clock
from teleport.foundation.errors import NotFound, Unavailable, Unsupported
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.model.resources.node import Node
from teleport.model.resources.session_recording_config import SessionRecordingConfig, SessionRecordingConfigSpec
from teleport.net.address import Address
from teleport.net.handoff import HandedOff
from teleport.net.sockets import connect
from teleport.proxy.hosts import Hosts
from teleport.proxy.networking import dial_timeout
from teleport.session.emitter import Emitter
from teleport.session.leases import Leases
from teleport.session.recorder import RecorderFactory
from teleport.session.tracker import Trackers
from teleport.storage.replica import Replica
from teleport.tunnel.messages import IncomingRequest

log = get_logger("proxy:ssh")

RENEW_BEFORE = timedelta(hours=6)
MAX_KEPT = 4096
"""Servers whose certificates are kept."""
_LOGIN_GRACE = timedelta(seconds=30)


@dataclass(frozen=True)
class TerminationParts:
    """What the proxy lends to the sessions that end at it."""

    cluster: str
    data_dir: Path
    clock: Clock
    replica: Replica
    emitter: Emitter
    recorders: RecorderFactory
    trackers: Trackers
    leases: Leases
    client: Client
    governed: GovernedServers
    authorities: Callable[[], Sequence[TrustedAuthority]]


class Terminations:
    """Serves connections to some nodes by itself. `drain` lets sessions end by themselves for a while."""

    def __init__(self, parts: TerminationParts, hosts: Hosts) -> None:
        self._parts = parts
        self._hosts = hosts
        self._engine = SshEngine()
        self._served: dict[str, _Served] = {}
        self._connections = TaskOwner("terminated connection")

    def __len__(self) -> int:
        return len(self._connections)

    def asks_key_agent(self, node: Node) -> bool:
        """Whether a connection that ends here goes on only with the person's own key agent."""
        return not node.is_openssh

    def takes(self, node: Node, session: str = "") -> bool:
        """Whether connections to this node, or to a session on it, end here instead of being carried to its agent."""
        if node.is_openssh:
            return True
        if not session:
            return recording_spec(self._parts.replica).at_proxy
        served = self._served.get(node.name)
        return served is not None and session in served.post.sessions

    async def prepare(self, node: Node) -> Post:
        """What the engine needs to serve this node. Raises AccessDenied, NotFound, Unavailable."""
        served = self._served.get(node.name)
        if served is None:
            served = self._served.setdefault(node.name, _Served(node, self._parts, self._hosts))
        served.node = node
        served.post.limits = Limits(login_grace=_LOGIN_GRACE + timedelta(seconds=dial_timeout(self._parts.replica)))
        await served.certify()
        while len(self._served) > MAX_KEPT:
            idle = next((name for name, one in self._served.items() if not one.connections), "")
            if not idle:
                break
            del self._served[idle]
        return served.post

    def serve(self, raw: HandedOff, request: IncomingRequest, post: Post, release: Callable[[], None]) -> None:
        """Take over a raw connection; `release` is called when it has ended."""
        served = self._served.get(request.resource_id)
        if served is not None:
            served.connections += 1
        task = self._connections.start(self._engine.serve(Connection(raw, request, post)), "terminated ssh")

        def ended(_: object) -> None:
            if served is not None:
                served.connections -= 1
            release()

        task.add_done_callback(ended)

    async def drain(self, grace: Callable[[], float]) -> None:
        """Let connections end by themselves for `grace` seconds, which may change meanwhile, then end them."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._engine.drain()
        while len(self._connections) and (left := began + grace() - loop.time()) > 0:
            await self._connections.wait(min(left, 1.0))
        await self._connections.close()
        await self._engine.close()


class _Served:
    """One node as it is served here, with the sessions that run on it."""

    def __init__(self, node: Node, parts: TerminationParts, hosts: Hosts) -> None:
        self.node = node
        self.connections = 0
        self._parts = parts
        self._key = PrivateKey.generate("ed25519")
        self._host_key: SshHostKey | None = None
        self._certified_for = ""
        self._expires: datetime | None = None
        self._certifying = asyncio.Lock()
        upstream: Upstream = (
            AgentlessServer(self._as_known, parts) if node.is_openssh else AgentServer(self._as_known, parts, hosts)
        )
        self.post = Post(
            cluster=parts.cluster, host_id=node.name, hostname=node.hostname, data_dir=parts.data_dir,
            clock=parts.clock, replica=parts.replica, emitter=parts.emitter, recorders=parts.recorders,
            trackers=parts.trackers, leases=parts.leases, node=self._as_known, host_key=self._shown,
            user_authorities=lambda: [one for one in parts.authorities() if one.kind == "user"],
            permit_user_environment=True,  # the server itself says what it takes
            governed=parts.governed, upstream=upstream,
        )  # fmt: skip

    def _as_known(self) -> Node:
        """Raises NotFound when it was removed: who is on it is sent away."""
        found = self._parts.replica.find(Node, self.node.name)
        if found is None:
            raise NotFound(f"{self.node.hostname} is not registered in this cluster any more")
        return found

    def _shown(self) -> SshHostKey:
        assert self._host_key is not None, "not certified yet"
        return self._host_key

    async def certify(self) -> None:
        """Raises what auth refuses with, and Unavailable."""
        async with self._certifying:
            now = self._parts.clock.now()
            is_good = self._expires is not None and self._expires - now > RENEW_BEFORE
            if is_good and self._certified_for == self.node.hostname:
                return
            request = agentless.IssueServerCertificate(
                node=self.node.name, ssh_public_key=self._key.public.ssh().encode()
            )
            issued = await self._parts.client.call(agentless.ISSUE_SERVER, request)
            self._host_key = SshHostKey(self._key.ssh_pem().encode(), issued.ssh_certificate)
            self._expires, self._certified_for = issued.expires, self.node.hostname
            self.post.hostname = self.node.hostname


class AgentlessServer:
    """An engines.upstream.Upstream that is a stock sshd at the node's address."""

    asks_key_agent = False

    def __init__(self, node: Callable[[], Node], parts: TerminationParts) -> None:
        self._node = node
        self._parts = parts

    @property
    def names(self) -> Sequence[str]:
        node, cluster = self._node(), self._parts.cluster
        host = node.spec.addr.rpartition(":")[0].strip("[]")
        return [node.name, f"{node.name}.{cluster}", node.hostname, f"{node.hostname}.{cluster}", host]

    @property
    def checks_host(self) -> bool:
        spec = recording_spec(self._parts.replica)
        return bool(spec.proxy_checks_host_keys) or not spec.at_proxy

    def host_authorities(self) -> Sequence[TrustedAuthority]:
        return [one for one in self._parts.authorities() if one.kind == "host"]

    async def connect(self, login: str, user: str, client_address: str) -> HandedOff:
        node = self._node()
        host, _, port = node.spec.addr.rpartition(":")
        try:
            timeout = dial_timeout(self._parts.replica)
            return HandedOff(await connect(Address(host.strip("[]"), int(port)), timeout=timeout))
        except Unavailable as problem:
            raise Unavailable(f"{node.hostname} cannot be reached: {problem.message}") from problem

    async def certify(self, shown: str, login: str, key: PublicKey, client_ip: str) -> str:
        request = agentless.IssueLoginCertificate(
            node=self._node().name, login=login, ssh_certificate=shown.encode(), ssh_public_key=key.ssh().encode(),
            client_address=client_ip,
        )  # fmt: skip
        issued = await self._parts.client.call(agentless.ISSUE_LOGIN, request)
        return issued.ssh_certificate.decode()


class AgentServer:
    """An engines.upstream.Upstream that is an agent of ours, for a cluster that records at the proxy.

    Agents trust people's certificates alone: the proxy has none, and asks the person's own key agent to sign.
    """

    asks_key_agent = True

    def __init__(self, node: Callable[[], Node], parts: TerminationParts, hosts: Hosts) -> None:
        self._node = node
        self._parts = parts
        self._hosts = hosts

    @property
    def names(self) -> Sequence[str]:
        node, cluster = self._node(), self._parts.cluster
        return [f"{node.name}.{cluster}", node.name]

    @property
    def checks_host(self) -> bool:
        return bool(recording_spec(self._parts.replica).proxy_checks_host_keys)

    def host_authorities(self) -> Sequence[TrustedAuthority]:
        return [one for one in self._parts.authorities() if one.kind == "host"]

    async def connect(self, login: str, user: str, client_address: str) -> HandedOff:
        node = self._node()
        request = IncomingRequest(
            kind="node",
            resource_id=node.name,
            login_hint=login,
            client_addr=client_address,
            user=user,
            is_from_proxy=True,
        )
        return await self._hosts.connect(node, request)

    async def certify(self, shown: str, login: str, key: PublicKey, client_ip: str) -> str:
        raise Unsupported("agents are entered with the person's own certificate")


def recording_spec(replica: Replica) -> SessionRecordingConfigSpec:
    try:
        return replica.get_singleton(SessionRecordingConfig).spec
    except NotFound:
        return SessionRecordingConfigSpec()
