"""A post for the SSH engine with no cluster around it: its own authority, roles in memory, the log in a list."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from teleport.credentials.authorities import SshAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.credentials.ssh_certificates import FOREVER, Permits, issue_host, issue_user
from teleport.engines.admission import KINDS
from teleport.engines.engine import Connection, Limits, Post, SshHostKey
from teleport.engines.host_accounts import static_accounts
from teleport.engines.host_offers import HostOffers, LoginFiles
from teleport.engines.ssh.engine import SshEngine
from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import LimitExceeded, Unavailable
from teleport.foundation.service import TaskOwner
from teleport.model.codec import from_yaml
from teleport.model.events.base import Event
from teleport.model.events.catalog import decode_event
from teleport.model.identity import Identity
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.session_tracker import SessionTracker
from teleport.net.handoff import HandedOff
from teleport.session.emitter import Emitter
from teleport.session.event_spool import EventSpool
from teleport.session.leases import Leases
from teleport.session.recorder import RecorderFactory
from teleport.session.recording_spool import RecordingSpool
from teleport.session.tracker import Trackers
from teleport.storage.feed import Change, Message, Snapshot
from teleport.storage.replica import Replica
from teleport.tunnel.messages import IncomingRequest

CLUSTER = "example.test"
HOST_ID = "11111111-2222-4333-8444-555555555555"
ME = getpass.getuser()
ROLE = f"""
kind: role
version: v7
metadata: {{name: access}}
spec:
  allow:
    logins: [{ME}, nobody, "no-such-user"]
    node_labels: {{"*": "*"}}
  options:
    forward_agent: true
"""


ALL = Permits(port_forwarding=True, agent_forwarding=True)


@dataclass
class Log:
    """The audit log, the trackers and the leases, in lists."""

    events: list[Event] = field(default_factory=list)
    trackers: dict[str, SessionTracker] = field(default_factory=dict)
    leases: dict[str, set[str]] = field(default_factory=dict)
    is_away: bool = False
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, lines: Sequence[bytes]) -> None:
        if self.is_away:
            raise Unavailable("the log is away")
        known = {event.uid for event in self.events}
        self.events += [event for event in map(decode_event, lines) if event.uid not in known]
        self._arrived.set()

    async def put(self, tracker: SessionTracker) -> None:
        self.trackers[tracker.name] = tracker

    async def delete(self, sid: str) -> None:
        self.trackers.pop(sid, None)

    async def hold_lease(self, kind: str, name: str, lease_id: str, limit: int) -> None:
        if self.is_away:
            raise Unavailable("auth is away")
        held = self.leases.setdefault(name, set())
        if lease_id not in held and len(held) >= limit:
            raise LimitExceeded("all are held")
        held.add(lease_id)

    async def release_lease(self, kind: str, name: str, lease_id: str) -> None:
        self.leases.setdefault(name, set()).discard(lease_id)

    async def wait_for(self, type_: str, code: str = "", count: int = 1) -> list[Any]:
        """The events of a type, once there are so many."""
        async with asyncio.timeout(20):
            while True:
                found = [event for event in self.events if event.type == type_ and code in ("", event.code)]
                if len(found) >= count:
                    return found
                self._arrived.clear()
                await self._arrived.wait()


class KnownCluster:
    """The cluster's resources, and the stream of their changes that a replica follows."""

    def __init__(self) -> None:
        self.revision = 0
        self.resources: dict[tuple[str, str], Resource] = {}
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    def put(self, text: str) -> None:
        for resource in from_yaml(text):
            self.resources[resource.kind, resource.key] = resource
            self._tell(resource.kind, resource.key, resource)

    def remove(self, kind: str, name: str) -> None:
        del self.resources[kind, name]
        self._tell(kind, name, None)

    def _tell(self, kind: str, name: str, resource: Resource | None) -> None:
        self.revision += 1
        op: Literal["put", "delete"] = "put" if resource is not None else "delete"
        self._changes.put_nowait(Change(self.revision, kind, name, op, resource))

    async def source(self) -> AsyncIterator[Message]:
        yield Snapshot(self.revision, tuple(self.resources.values()))
        while True:
            yield await self._changes.get()


class Site:
    """An engine on a loopback port, and people with certificates who may come."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        self.directory = directory
        self.clock = MovedClock()
        self.log = Log()
        self.cluster = KnownCluster()
        self.cluster.put(ROLE)
        self.user_ca = PrivateKey.generate("ed25519")
        self.host_ca = PrivateKey.generate("ed25519")
        self.spool = RecordingSpool(directory / "recordings")
        self.spool.recover(self.clock.now())
        self.emitter = Emitter(self.log.send, EventSpool(directory / "events"), self.clock, CLUSTER)
        self.trackers = Trackers(self.log, self.clock)
        self.leases = Leases(self.log)
        self.recorders = RecorderFactory(self.spool, self.clock)
        self.node = Node(metadata=Metadata(name=HOST_ID, labels={"env": "test"}), spec=NodeSpec(hostname="web1"))
        host_key = self._host_key()
        self.replica = Replica((*KINDS, *static_accounts.KINDS), self.cluster.source, self.clock)
        self.post = Post(
            cluster=CLUSTER,
            host_id=HOST_ID,
            hostname="web1",
            data_dir=directory,
            clock=self.clock,
            replica=self.replica,
            emitter=self.emitter,
            recorders=self.recorders,
            trackers=self.trackers,
            leases=self.leases,
            node=lambda: self.node,
            host_key=lambda: host_key,
            user_authorities=lambda: self.authorities,
            offers=HostOffers(
                login_files=LoginFiles(directory / "utmp", directory / "wtmp", directory / "lastlog", ())
            ),
            limits=limits,
        )
        self.authorities = [
            TrustedAuthority(kind="user", cluster=CLUSTER, ssh_keys=(self.user_ca.public.ssh(),)),
        ]
        self.engine = SshEngine()
        self.port = 0
        self.is_led = False
        """Whether connections come from proxies that say they record themselves."""
        self.connections = TaskOwner("connections")

    def _host_key(self) -> SshHostKey:
        key = PrivateKey.generate("ed25519")
        identity = Identity(
            username=f"{HOST_ID}.{CLUSTER}", cluster=CLUSTER, expires=FOREVER, system_role="Node", host_id=HOST_ID
        )
        names = (HOST_ID, f"{HOST_ID}.{CLUSTER}", "web1", f"web1.{CLUSTER}", "127.0.0.1", "localhost")
        authority = SshAuthority(kind="host", cluster=CLUSTER, signer=self.host_ca)
        line = issue_host(identity, key.public, authority, self.clock.now(), names)
        (self.directory / "known_hosts").write_text(f"@cert-authority * {self.host_ca.public.ssh()}\n")
        return SshHostKey(key.ssh_pem().encode(), line.encode())

    def person(self, name: str = "alice", **changes: Any) -> Person:
        return Person(self, name, **changes)

    async def apply(self, text: str) -> None:
        """Change the cluster, and wait until the node knows."""
        self.cluster.put(text)
        async with asyncio.timeout(20):
            while self.replica.revision < self.cluster.revision:
                await asyncio.sleep(0)

    async def accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, address = await loop.sock_accept(sock)
            accepted.setblocking(False)
            request = IncomingRequest(
                kind="node", resource_id=HOST_ID, client_addr=f"{address[0]}:{address[1]}", is_from_proxy=self.is_led
            )
            self.connections.start(self.engine.serve(Connection(HandedOff(accepted), request, self.post)))


@asynccontextmanager
async def site(directory: Path, limits: Limits | None = None) -> AsyncIterator[Site]:
    """A running site; nothing of it is left behind."""
    made = Site(directory, limits or Limits())
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(512)
    sock.setblocking(False)
    made.port = sock.getsockname()[1]
    tasks = TaskOwner("site")
    for service in (made.emitter, made.trackers, made.replica):
        tasks.start(service.run(lambda: None), service.name)
    await made.replica.ready.wait()
    tasks.start(made.accept(sock), "accept")
    try:
        yield made
    finally:
        await made.connections.close()
        await made.engine.close()
        await tasks.close()
        sock.close()
        made.recorders.close()


class Person:
    """A key, a certificate, and the stock client's options to use them."""

    def __init__(
        self,
        site: Site,
        name: str,
        *,
        roles: tuple[str, ...] = ("access",),
        logins: tuple[str, ...] = (ME, "nobody", "no-such-user"),
        ttl: timedelta = timedelta(hours=1),
        authority: PrivateKey | None = None,
        permits: Permits = ALL,
        **identity: Any,
    ) -> None:
        self.site = site
        site.cluster.put(f"{{kind: user, version: v2, metadata: {{name: {name}}}, spec: {{roles: [access]}}}}")
        self.directory = site.directory / name
        self.directory.mkdir(exist_ok=True)
        key = PrivateKey.generate("ed25519")
        self.key = self.directory / "id"
        self.key.write_bytes(key.ssh_pem().encode())
        self.key.chmod(0o600)
        self.identity = Identity(
            username=name, cluster=CLUSTER, roles=roles, logins=logins, expires=site.clock.now() + ttl, **identity
        )
        signer = SshAuthority(kind="user", cluster=CLUSTER, signer=authority or site.user_ca)
        backdated = site.clock.now() - timedelta(hours=2)
        line = issue_user(self.identity, key.public, signer, min(site.clock.now(), backdated), permits=permits)
        (self.directory / "id-cert.pub").write_text(line + "\n")

    def options(self, *more: str) -> list[str]:
        return [
            "-F", "none", "-o", f"IdentityFile={self.key}", "-o", f"CertificateFile={self.directory / 'id-cert.pub'}",
            "-o", f"UserKnownHostsFile={self.site.directory / 'known_hosts'}", "-o", "IdentitiesOnly=yes",
            "-o", "IdentityAgent=none", "-o", "BatchMode=yes", *more,
        ]  # fmt: skip

    def ssh(self, *words: str, login: str = ME) -> list[str]:
        return ["ssh", *self.options("-p", str(self.site.port)), "-l", login, *_split(words)]


def _split(words: Sequence[str]) -> list[str]:
    """Options first, then the host, then the command."""
    options = list(words[: words.index("--")]) if "--" in words else []
    command = list(words[words.index("--") + 1 :]) if "--" in words else list(words)
    return [*options, "127.0.0.1", *command]


@dataclass(frozen=True)
class Ran:
    status: int
    out: bytes
    err: bytes


async def run(argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60, **options: Any) -> Ran:
    """A foreign program, to its end."""
    source = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=source, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, **options
    )
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(stdin)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return Ran(process.returncode if process.returncode is not None else -1, out, err)
