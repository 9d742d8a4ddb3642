"""What idle agents cost a proxy: memory for each, and processor time of all, with pings and heartbeats.

    python -m benchmarks.agents [--agents 2000] [--seconds 20] [--json FILE]

Each agent keeps a control connection, two spare data connections, and one connection passed on to auth, on which it
says something every 30 seconds. Proxy and agents are separate processes on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, absolute
from teleport.credentials import tls_contexts, x509
from teleport.credentials.authorities import TlsAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.clock import SystemClock
from teleport.model.events.base import Event
from teleport.model.identity import Identity
from teleport.net.address import Address
from teleport.net.asgi import Receive, Scope, Send
from teleport.net.connection_limits import ConnectionLimits
from teleport.proxy.service import ProxyConfig, ProxyLimits, ProxyService
from teleport.storage.feed import Message, Snapshot
from teleport.storage.replica import Replica
from teleport.tunnel.agent_pool import AgentPool, TunnelContexts, TunnelIdentity
from teleport.wire.tls_names import ALPN_TUNNEL, ALPN_TUNNEL_DATA, auth_alpn

CLUSTER = "bench"
TARGETS = {"memory_kib": 64.0, "core_share": 0.10}
_HEARTBEAT = 30.0


class Cluster:
    """One host authority and certificates of it; all agents share a key, which changes nothing for the proxy."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.now = self.clock.now()
        key = PrivateKey.generate("ecdsa-p256")
        self.ca: TlsAuthority = x509.create_authority("host", CLUSTER, key, self.now)
        self.key = PrivateKey.generate("ecdsa-p256")

    def trusted(self) -> tuple[TrustedAuthority, ...]:
        return (TrustedAuthority(kind="host", cluster=CLUSTER, tls_certificates=(self.ca.certificate,)),)

    def certificate(self, host_id: str, role: str) -> str:
        identity = Identity(
            username=f"{host_id}.{CLUSTER}",
            host_id=host_id,
            cluster=CLUSTER,
            expires=self.now + timedelta(hours=12),
            system_role=role,  # type: ignore[arg-type]
        )
        return x509.issue_host(identity, self.key.public, self.ca, self.now)


async def run_proxy(cluster: Cluster, auth: Address, report: int) -> None:
    chain, key = cluster.certificate("proxy", "Proxy"), cluster.key.pem()
    contexts = {
        alpn: tls_contexts.server_context(chain, key, client_ca_pems=(cluster.ca.certificate,), alpn=(alpn,))
        for alpn in (ALPN_TUNNEL, ALPN_TUNNEL_DATA)
    }

    async def source() -> AsyncIterator[Message]:
        yield Snapshot(1, ())
        await asyncio.Event().wait()

    def emit(event: Event) -> Event:
        return event

    replica = Replica(("node", "role", "lock"), source, cluster.clock)
    proxy = ProxyService(
        ProxyConfig(
            cluster=CLUSTER,
            host_id="proxy",
            addresses=[Address("127.0.0.1", 0)],
            public_context=lambda _: contexts[ALPN_TUNNEL],
            internal_context=contexts.__getitem__,
            client_context=lambda alpn: tls_contexts.client_context((cluster.ca.certificate,), alpn=(alpn,)),
            authorities=cluster.trusted,
            replica=replica,
            emit=emit,
            auth=lambda: [auth],
            web=no_web,
            clock=cluster.clock,
            limits=ProxyLimits(connections=ConnectionLimits(unproven_per_ip=4000)),
        )
    )

    def started() -> None:
        os.write(report, f"{proxy.bound[0].port}\n".encode())

    async with asyncio.TaskGroup() as group:
        group.create_task(replica.run(lambda: None))
        group.create_task(proxy.run(started))


async def no_web(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError("agents do not browse")


def auth_greeting() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols([auth_alpn(CLUSTER)])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise SystemExit("no ClientHello")


class Swallow(asyncio.Protocol):
    """Auth, as far as the proxy can tell."""


class Agents:
    def __init__(self, cluster: Cluster, port: int) -> None:
        self.cluster = cluster
        self.proxy = Address("127.0.0.1", port)
        self.pools: list[AgentPool] = []
        self.to_auth: list[socket.socket] = []
        self.greeting = auth_greeting()

    async def add(self, host_id: str) -> None:
        chain, key = self.cluster.certificate(host_id, "Node"), self.cluster.key.pem()
        ca = (self.cluster.ca.certificate,)
        control = tls_contexts.client_context(ca, chain_pem=chain, key_pem=key, alpn=(ALPN_TUNNEL,))
        data = tls_contexts.client_context(ca, chain_pem=chain, key_pem=key, alpn=(ALPN_TUNNEL_DATA,))
        contexts = TunnelContexts(control, data)
        pool = AgentPool(TunnelIdentity(host_id, CLUSTER, lambda: contexts), [self.proxy])
        await pool.__aenter__()
        await pool.wait_connected()
        self.pools.append(pool)
        sock = socket.socket(proto=socket.IPPROTO_TCP)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, tuple(self.proxy))
        sock.send(self.greeting)
        self.to_auth.append(sock)

    async def beat(self) -> None:
        while True:
            for sock in self.to_auth:
                await asyncio.sleep(_HEARTBEAT / len(self.to_auth))
                sock.send(b"x" * 1000)


def memory_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise SystemExit("no memory figure")


def cpu_seconds(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | 2)


async def observe(
    cluster: Cluster, listening: socket.socket, pid: int, port: int, chosen: argparse.Namespace
) -> dict[str, float]:
    await asyncio.get_running_loop().create_server(Swallow, sock=listening)
    agents = Agents(cluster, port)
    for number in range(50):  # warm: code, contexts, allocator
        await agents.add(f"warm-{number}")
    await asyncio.sleep(2)
    before, begun, cpu = memory_kib(pid), time.perf_counter(), cpu_seconds(pid)
    for number in range(chosen.agents):
        await agents.add(f"agent-{number}")
    await asyncio.sleep(5)
    joined = (cpu_seconds(pid) - cpu) / chosen.agents
    memory = (memory_kib(pid) - before) / chosen.agents
    print(f"{chosen.agents} agents connected in {time.perf_counter() - begun:.1f} s")
    beating = asyncio.get_running_loop().create_task(agents.beat())
    cpu, begun = cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(chosen.seconds)
    share = (cpu_seconds(pid) - cpu) / (time.perf_counter() - begun)
    beating.cancel()
    return {"memory_kib": memory, "core_share": share, "connect_cpu_ms": joined * 1e3}


def figures_of(chosen: argparse.Namespace) -> dict[str, float]:
    """With the proxy in a process of its own."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    cluster = Cluster()
    auth = socket.create_server(("127.0.0.1", 0), backlog=4096)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the daemons do
            runner.run(run_proxy(cluster, Address(*auth.getsockname()[:2]), writing))
        os._exit(0)
    try:
        port = int(os.read(reading, 20))
        return asyncio.run(observe(cluster, auth, pid, port, chosen))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def measure() -> list[Figure]:
    """For `python -m benchmarks`."""
    found = figures_of(argparse.Namespace(agents=2000, seconds=20.0))
    return [
        absolute("proxy memory for each of 2,000 idle agents", [found["memory_kib"]], "<=", 64, "KiB"),
        absolute("proxy time for 2,000 idle agents", [found["core_share"] * 100], "<=", 10, "% of a core"),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--agents", type=int, default=2000)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    figures = figures_of(chosen)
    print(f"proxy memory for each connected idle agent   {figures['memory_kib']:8.1f} KiB   (target <= 64)")
    print(f"proxy time for all of them, of one core      {figures['core_share'] * 100:8.1f} %     (target <= 10)")
    print(f"proxy time to connect one (4 connections)    {figures['connect_cpu_ms']:8.1f} ms")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures))
    sys.exit(any(figures[name] > target for name, target in TARGETS.items()))


if __name__ == "__main__":
    main()
