"""A whole proxy on loopback with agents and clients, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from data_plane import QUICK, Cluster, quick_backoff

from teleport.model.codec import decode_document
from teleport.model.events.base import Event
from teleport.model.resource import Resource
from teleport.net.address import Address
from teleport.net.asgi import Receive, Scope, Send
from teleport.proxy.service import ProxyConfig, ProxyLimits, ProxyService
from teleport.storage.feed import Change, Message, Snapshot
from teleport.storage.replica import Replica
from teleport.tunnel.agent_pool import AgentPool, TunnelIdentity
from teleport.tunnel.dial import Dialed, dial
from teleport.tunnel.messages import DialRequest
from teleport.wire.tls_names import ALPN_DIAL

KINDS = (
    "node",
    "role",
    "lock",
    "cluster_auth_preference",
    "cluster_networking_config",
    "session_tracker",
)


def document(kind: str, name: str, spec: Mapping[str, Any], version: str = "v2", **metadata: Any) -> Resource:
    return decode_document(
        {"kind": kind, "version": version, "metadata": {"name": name, **metadata}, "spec": dict(spec)}
    )


def node(uuid: str, hostname: str, addr: str = "", **labels: str) -> Resource:
    return document("node", uuid, {"hostname": hostname, "addr": addr}, labels=labels)


def role(name: str, logins: Iterable[str] = ("root",), **labels: str) -> Resource:
    allow = {"logins": list(logins), "node_labels": labels or {"*": "*"}}
    return document("role", name, {"allow": allow}, version="v7")


def singletons(**networking: Any) -> list[Resource]:
    return [
        document("cluster_auth_preference", "cluster-auth-preference", {}),
        document("cluster_networking_config", "cluster-networking-config", networking),
    ]


class World:
    """State that tests change while a proxy runs, and what the proxy did."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.cluster = Cluster()
        self.resources = tuple(resources)
        self.events: list[Event] = []
        self.changes: asyncio.Queue[Message] = asyncio.Queue()
        self.replica = Replica(KINDS, self._source, self.cluster.clock)
        self.proxy: ProxyService | None = None
        self.revision = 1

    async def _source(self) -> AsyncIterator[Message]:
        yield Snapshot(1, self.resources)
        while True:
            yield await self.changes.get()

    async def put(self, resource: Resource) -> None:
        self.revision += 1
        self.changes.put_nowait(Change(self.revision, resource.kind, resource.key, "put", resource))
        async with asyncio.timeout(20):
            while self.replica.revision < self.revision:
                await asyncio.sleep(0.005)

    def emit(self, event: Event) -> Event:
        event.uid = event.uid or f"event-{len(self.events) + 1}"
        self.events.append(event)
        return event

    @property
    def address(self) -> Address:
        assert self.proxy is not None
        return Address("127.0.0.1", self.proxy.bound[0].port)

    def agent(self, host_id: str, *, spares: int = 2) -> AgentPool:
        return self.agent_as(self.cluster.tunnel_identity(host_id), spares=spares)

    def agent_as(self, identity: TunnelIdentity, *, spares: int = 2) -> AgentPool:
        return AgentPool(
            identity,
            [self.address],
            spares=spares,
            timing=QUICK,
            backoff=quick_backoff,
        )

    async def dial(self, target: str, login: str = "root", *, user: Any = None, **wanted: Any) -> Dialed:
        pair = user or self.cluster.user()
        context = self.cluster.client_context(pair, ALPN_DIAL)
        return await dial(self.address, DialRequest(target=target, login=login, **wanted), context)

    @asynccontextmanager
    async def running(self, **changed: Any) -> AsyncIterator[ProxyService]:
        config: dict[str, Any] = {
            "cluster": self.cluster.name,
            "host_id": "proxy-1",
            "addresses": [Address("127.0.0.1", 0)],
            "public_context": _always(self.cluster.web_context()),
            "internal_context": self.cluster.proxy_contexts(),
            "client_context": lambda alpn: self.cluster.client_context(self.cluster.host("proxy"), alpn),
            "authorities": self.cluster.authorities,
            "replica": self.replica,
            "emit": self.emit,
            "auth": list,
            "web": hello,
            "clock": self.cluster.clock,
            "limits": ProxyLimits(drain=1.0),
            **changed,
        }
        self.proxy = ProxyService(ProxyConfig(**config))
        started = asyncio.Event()
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self.replica.run(lambda: None)), loop.create_task(self.proxy.run(started.set))]
        await asyncio.wait([loop.create_task(started.wait()), tasks[1]], return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(20):
            await self.replica.ready.wait()
        try:
            yield self.proxy
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _always(value: Any) -> Callable[[str], Any]:
    return lambda _: value


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The web application: says hello and who asks."""
    body = f"hello {scope['client'][0]} {scope['path']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
