"""An agent and a real auth service over TLS: joins by pin and token, serves stock ssh, tells, uploads, comes back."""

from __future__ import annotations

import asyncio
import getpass
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import PASSWORD, TestCluster, auth_cluster
from pseudo_terminal import Terminal
from ssh_post import run

from teleport.agent import identity as identities
from teleport.agent import registration
from teleport.agent.heartbeat import LabelCommand
from teleport.agent.registration import IDENTITY_FILE, Enrolment
from teleport.agent.service import AgentConfig, AgentService
from teleport.api.routes import login, tokens
from teleport.credentials import x509
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, NotAuthenticated, TeleportError, Unsupported
from teleport.foundation.service import Supervisor
from teleport.model.resources.node import Node
from teleport.model.resources.role_conditions import RoleConditions
from teleport.net.address import Address
from teleport.process.auth_server import AuthServer

ME = getpass.getuser()


class World:
    """A cluster on a port, and what an agent needs to join it."""

    def __init__(
        self, cluster: TestCluster, server: AuthServer, folder: Path, close_port: Callable[[], Awaitable[None]]
    ) -> None:
        self.cluster = cluster
        self.close_port = close_port
        self.folder = folder
        self.address = server.bound[0]
        self.host_id = str(uuid.uuid4())

    async def token(self) -> str:
        created = await (await self.cluster.admin()).call(tokens.CREATE, tokens.CreateToken(roles=("Node",)))
        return created.token

    async def pin(self) -> str:
        (authority,) = await self.cluster.service.cluster.authorities.trusted("host")
        return x509.ca_pin(authority.tls_certificates[0])

    async def enrolment(self, **changes: object) -> Enrolment:
        given: dict[str, object] = {
            "server": self.address, "token": await self.token(), "host_id": self.host_id, "node_name": "web1",
            "ca_pins": (await self.pin(),), **changes,
        }  # fmt: skip
        return Enrolment(**given)  # type: ignore[arg-type]

    def config(self, enrolment: Enrolment) -> AgentConfig:
        folder = self.folder / "agent"
        folder.mkdir(exist_ok=True)
        return AgentConfig(
            data_dir=folder, enrolment=enrolment, listen=Address("127.0.0.1", 0), labels={"env": "test"},
            commands={"kernel": LabelCommand(("uname", "-s"), timedelta(minutes=5))}, drain=timedelta(seconds=1),
            heartbeat_interval=timedelta(seconds=0.2),
        )  # fmt: skip

    async def certificate(self, name: str = "alice") -> Path:
        """A folder with a key and the certificate that a login gave for it."""
        await self.cluster.role("shell", RoleConditions(logins=[ME], node_labels={"*": ["*"]}))
        person = await self.cluster.sign_up(name, "shell")
        folder = self.folder / name
        folder.mkdir()
        key, tls = PrivateKey.generate("ed25519"), PrivateKey.generate("ecdsa-p256")
        granted = await self.cluster.stranger("127.0.0.1").call(
            login.FINISH,
            login.FinishLogin(
                user=name, password=PASSWORD, totp_code=person.next_code(),
                ssh_pub_key=key.public.ssh().encode(), tls_pub_key=tls.public.pem.encode(),
            ),
        )  # fmt: skip
        (folder / "id").write_text(key.ssh_pem())
        (folder / "id").chmod(0o600)
        (folder / "id-cert.pub").write_bytes(granted.cert)
        (host,) = await self.cluster.service.cluster.authorities.trusted("host")
        (folder / "known_hosts").write_text("".join(f"@cert-authority * {line}\n" for line in host.ssh_keys))
        return folder


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with auth_cluster(tmp_path / "auth") as cluster:
        server = AuthServer(cluster.service, Address("127.0.0.1", 0), (), 1.0)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(running(server))
            yield World(cluster, server, tmp_path, stack.aclose)


@asynccontextmanager
async def running(service: AgentService | AuthServer) -> AsyncIterator[None]:
    """Started, until the block ends. A start that fails raises."""
    supervisor = Supervisor([service], drain_timeout=20)
    started = asyncio.Event()
    task = asyncio.get_running_loop().create_task(supervisor.run(started.set))
    waiter = asyncio.get_running_loop().create_task(started.wait())
    try:
        async with asyncio.timeout(30):
            await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield
    finally:
        waiter.cancel()
        supervisor.stop()
        await asyncio.wait({task}, timeout=30)


def ssh(folder: Path, agent: AgentService, *words: str) -> list[str]:
    options = [
        "-F", "none", "-p", str(agent.bound[0].port), "-i", f"{folder}/id", "-l", ME, "-o", "IdentityAgent=none",
        "-o", f"UserKnownHostsFile={folder}/known_hosts", "-o", "HostKeyAlias=web1", "-o", "BatchMode=yes",
    ]  # fmt: skip
    return ["ssh", *options, *words]


async def eventually(question: Callable[[], Awaitable[bool]], timeout: float = 30) -> None:
    async with asyncio.timeout(timeout):
        while not await question():
            await asyncio.sleep(0.05)


async def test_a_host_joins_and_serves_and_everything_is_told(world: World) -> None:
    agent = AgentService(world.config(await world.enrolment()), world.cluster.clock)
    async with running(agent):
        folder = await world.certificate()

        async def is_known() -> bool:
            node = await world.cluster.store.find(Node, world.host_id)
            return node is not None and node.labels == {"env": "test", "kernel": "Linux"}

        await eventually(is_known)

        async def gets_in() -> bool:
            ran = await run(ssh(folder, agent, "127.0.0.1", "echo", "in"))
            return ran.out == b"in\n"

        await eventually(gets_in)
        shown = await Terminal.start(ssh(folder, agent, "-tt", "127.0.0.1", "echo on stage"))
        try:
            await shown.until("on stage")
            assert await shown.end() == 0
        finally:
            await shown.close()

        async def is_told() -> bool:
            events = await world.cluster.events()
            return {"exec", "session.start", "session.end", "session.upload"} <= {event["event"] for event in events}

        await eventually(is_told)

        async def is_gone() -> bool:
            return not list((world.folder / "agent" / "recordings").iterdir())

        await eventually(is_gone)  # the log tells of the upload before the host hears that it went well
    assert (world.folder / "agent" / IDENTITY_FILE).stat().st_mode & 0o777 == 0o600


async def test_a_host_that_has_started_is_known(world: World) -> None:
    async with running(AgentService(world.config(await world.enrolment()), world.cluster.clock)):
        assert await world.cluster.store.find(Node, world.host_id) is not None


async def test_a_stopping_host_tells_its_sessions_and_is_gone_soon(world: World) -> None:
    agent = AgentService(world.config(await world.enrolment()), world.cluster.clock)
    async with running(agent):
        folder = await world.certificate()

        async def gets_in() -> bool:
            return (await run(ssh(folder, agent, "127.0.0.1", "true"))).status == 0

        await eventually(gets_in)
        shown = await Terminal.start(ssh(folder, agent, "-tt", "127.0.0.1", "echo on stage; exec cat"))
        await shown.until("on stage")
        asked = time.monotonic()
    try:
        assert time.monotonic() - asked < 15  # of the twenty it may take: a second to end by itself, and a farewell
        await shown.until("this node is stopping")
    finally:
        await shown.close()


async def test_a_host_of_a_later_version_waits_for_the_cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment = await world.enrolment()
    monkeypatch.setattr(registration, "__version__", "99.0.0")
    with pytest.raises(Unsupported, match=r"99\.0\.0, newer than the cluster .*--skip-version-check"):
        await registration.join(enrolment, world.cluster.clock)
    monkeypatch.setattr(registration, "__version__", "1.0.0")
    with pytest.raises(Unsupported, match="too old for the cluster"):
        await registration.join(enrolment, world.cluster.clock)
    patient = replace(enrolment, any_version=True)
    folder = world.folder / "agent"
    folder.mkdir()
    assert (await registration.enrol(folder, patient, world.cluster.clock)).cluster == "example"
    with pytest.raises(Unsupported, match="too old"):  # of a host that joined long ago, too
        await registration.enrol(folder, enrolment, world.cluster.clock)


async def test_a_host_that_joined_needs_no_token_again(world: World) -> None:
    config = world.config(await world.enrolment())
    async with running(AgentService(config, world.cluster.clock)):
        pass
    again = await world.enrolment(token="")
    async with running(AgentService(world.config(again), world.cluster.clock)):
        pass


async def test_a_host_that_is_called_otherwise_has_it_certified_at_once(world: World) -> None:
    config = world.config(await world.enrolment())
    async with running(AgentService(config, world.cluster.clock)):
        pass
    renamed = await world.enrolment(token="", node_name="web2", principals=("web2.example.org", "10.0.0.2"))
    async with running(AgentService(world.config(renamed), world.cluster.clock)):

        async def is_certified() -> bool:
            stored = identities.load(config.data_dir / IDENTITY_FILE)
            return stored is not None and stored.is_called(("web2", "web2.example.org", "10.0.0.2"))

        await eventually(is_certified)


async def test_without_token_or_identity_it_says_what_to_do(world: World) -> None:
    with pytest.raises(BadParameter, match="give a token"):
        await registration.enrol(world.folder, await world.enrolment(token=""), world.cluster.clock)


async def test_a_cluster_with_another_pin_is_refused_and_learns_no_token(world: World) -> None:
    with pytest.raises(NotAuthenticated, match="does not match the CA pin"):
        await registration.join(await world.enrolment(ca_pins=("sha256:" + "0" * 64,)), world.cluster.clock)
    assert not [event for event in await world.cluster.events() if event["event"] == "instance.join"]


async def test_without_pin_a_cluster_nobody_vouches_for_is_refused(world: World) -> None:
    with pytest.raises(TeleportError, match="--ca-pin"):
        await registration.join(await world.enrolment(ca_pins=()), world.cluster.clock)


async def test_a_wrong_token_is_refused(world: World) -> None:
    with pytest.raises(TeleportError):
        await registration.join(await world.enrolment(token="wrong"), world.cluster.clock)


async def test_an_identity_is_renewed_before_it_ends(world: World) -> None:
    enrolment = await world.enrolment()
    first = await registration.enrol(world.folder, enrolment, world.cluster.clock)
    client = registration.auth_client(world.address, first)
    second = await registration.renew(client, first, enrolment, world.cluster.clock)
    await client.close()
    assert second.host_id == first.host_id
    assert second.keys != first.keys
    identities.store(world.folder / "copy.json", second)
    assert identities.load(world.folder / "copy.json") == second
    assert first.renewal_due(first.received) > timedelta()
    assert first.renewal_due(first.credentials.expires) == timedelta()


async def test_sessions_start_and_events_wait_while_the_cluster_is_away(world: World, tmp_path: Path) -> None:
    agent = AgentService(world.config(await world.enrolment()), world.cluster.clock)
    async with running(agent):
        folder = await world.certificate()

        async def gets_in() -> bool:
            return (await run(ssh(folder, agent, "127.0.0.1", "echo in"))).out == b"in\n"

        await eventually(gets_in)
        await world.close_port()
        assert await gets_in()
        spool = tmp_path / "agent" / "events"

        async def is_kept() -> bool:
            return any(b'"echo in"' in path.read_bytes() for path in spool.glob("*/*.jsonl"))

        await eventually(is_kept)
