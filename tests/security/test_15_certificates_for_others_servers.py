"""15. A proxy enters a server without an agent only as a login that the person before it may have there.

The proxy hands on the certificate it was shown; auth decides by it and by roles as they are in force.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from auth_cluster import CLUSTER, TestCluster, auth_cluster, key_pair
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificate, load_ssh_public_identity

from teleport.api.client import Client
from teleport.api.routes import agentless, audit, certificates
from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import AccessDenied, NotAuthenticated, NotFound, TeleportError
from teleport.model.resource import Metadata
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.user import User
from teleport.model.resources.user_login_state import UserLoginState, UserLoginStateSpec


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[TestCluster]:
    async with auth_cluster(tmp_path) as running:
        yield running


async def node(cluster: TestCluster, sub_kind: str = "openssh", **labels: str) -> str:
    name = str(uuid.uuid4())
    spec = NodeSpec(hostname="stock", addr="192.0.2.50:22")
    await cluster.store.upsert(Node(sub_kind=sub_kind, metadata=Metadata(name=name, labels=labels), spec=spec))
    return name


async def shown(cluster: TestCluster, user: str) -> bytes:
    """The SSH certificate of somebody who may be root on test servers."""
    conditions = RoleConditions(logins=["root"], node_labels=msgspec.convert({"env": ["test"]}, dict))
    await cluster.role("tester", conditions)
    await cluster.user(user, "tester")
    request = certificates.IssueCertificates(username=user, ssh_public_key=key_pair().ssh, ttl=timedelta(hours=1))
    return (await (await cluster.admin()).call(certificates.ISSUE, request)).ssh_certificate


def wanted(name: str, certificate: bytes, login: str = "root") -> agentless.IssueLoginCertificate:
    key = PrivateKey.generate("ed25519").public.ssh().encode()
    return agentless.IssueLoginCertificate(
        node=name, login=login, ssh_certificate=certificate, ssh_public_key=key, client_address="192.0.2.1"
    )


async def test_a_login_is_certified_for_a_moment_by_the_openssh_authority_alone(cluster: TestCluster) -> None:
    name, certificate = await node(cluster, env="test"), await shown(cluster, "bob")
    proxy = await cluster.host("Proxy")
    issued = await proxy.call(agentless.ISSUE_LOGIN, wanted(name, certificate))
    read = load_ssh_public_identity(issued.ssh_certificate)
    assert isinstance(read, SSHCertificate)
    assert (read.valid_principals, read.key_id) == ([b"root"], b"bob")
    assert read.valid_before - cluster.clock.now().timestamp() <= 120
    assert set(read.extensions) <= {b"permit-pty", b"permit-port-forwarding", b"permit-agent-forwarding"}
    users, openssh = await cluster.service.cluster.authorities.trusted("user", "openssh")
    with pytest.raises(NotAuthenticated, match="refused"):
        ssh_certificates.verify_user(
            issued.ssh_certificate.decode(), [users, openssh], "root", cluster.clock.now(), "192.0.2.1"
        )


async def test_nobody_but_a_proxy_asks(cluster: TestCluster) -> None:
    name, certificate = await node(cluster, env="test"), await shown(cluster, "bob")
    callers: list[Client] = [await cluster.host(role) for role in ("Node", "App", "Instance")]
    callers += [await cluster.person("eve", "tester"), cluster.stranger()]
    for caller in callers:
        with pytest.raises(TeleportError):
            await caller.call(agentless.ISSUE_LOGIN, wanted(name, certificate))
        request = agentless.IssueServerCertificate(node=name, ssh_public_key=key_pair().ssh)
        with pytest.raises(TeleportError):
            await caller.call(agentless.ISSUE_SERVER, request)


async def test_only_hosts_that_forward_learn_what_is_at_an_address(cluster: TestCluster) -> None:
    await node(cluster)
    asked = agentless.FindServer(hosts=("192.0.2.50",), port=22)
    agent = await cluster.host("Node")
    async with asyncio.timeout(20):
        while (await agent.call(agentless.FIND_SERVER, asked)).hostname != "stock":
            await asyncio.sleep(0.01)
    elsewhere = agentless.FindServer(hosts=("192.0.2.50", "192.0.2.51"), port=2222)
    assert (await agent.call(agentless.FIND_SERVER, elsewhere)).hostname == ""
    for caller in (await cluster.person("eve", "access"), await cluster.host("App"), cluster.stranger()):
        with pytest.raises(TeleportError):
            await caller.call(agentless.FIND_SERVER, asked)


async def test_what_the_person_may_not_a_proxy_may_not(cluster: TestCluster) -> None:
    test, production = await node(cluster, env="test"), await node(cluster, env="prod")
    ours = await node(cluster, "teleport", env="test")
    certificate = await shown(cluster, "bob")
    proxy = await cluster.host("Proxy")
    with pytest.raises(AccessDenied, match="not for login"):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(test, certificate, "postgres"))
    with pytest.raises(AccessDenied):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(production, certificate))
    with pytest.raises(AccessDenied, match="its own agent"):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(ours, certificate))
    with pytest.raises(NotFound, match="not registered"):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(str(uuid.uuid4()), certificate))
    forged = (await cluster.host_identity("Node")).credentials.ssh_certificate
    with pytest.raises(AccessDenied):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(test, forged))
    await cluster.role("tester", RoleConditions(logins=["root"]))
    with pytest.raises(AccessDenied):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(test, certificate))


async def test_what_an_access_list_took_back_opens_nothing(cluster: TestCluster) -> None:
    test, proxy = await node(cluster, env="test"), await cluster.host("Proxy")
    certificate = await shown(cluster, "bob")
    await proxy.call(agentless.ISSUE_LOGIN, wanted(test, certificate))
    user = await cluster.store.get(User, "bob")
    until = cluster.clock.now() + timedelta(hours=12)
    spec = UserLoginStateSpec(withdrawn_roles=dict.fromkeys(user.spec.roles, until))
    await cluster.store.create(UserLoginState(metadata=Metadata(name="bob"), spec=spec))
    user.spec.roles = []
    await cluster.store.overwrite(user)
    with pytest.raises(AccessDenied, match="access list"):
        await proxy.call(agentless.ISSUE_LOGIN, wanted(test, certificate))


async def test_a_proxy_speaks_for_servers_that_have_no_agent_alone(cluster: TestCluster) -> None:
    proxy, key = await cluster.host("Proxy"), key_pair().ssh
    stock, ours = await node(cluster), await node(cluster, "teleport")
    issued = await proxy.call(
        agentless.ISSUE_SERVER, agentless.IssueServerCertificate(node=stock, ssh_public_key=key)
    )
    assert {"stock", f"stock.{CLUSTER}", f"{stock}.{CLUSTER}"} <= set(
        ssh_certificates.read_host(issued.ssh_certificate.decode()).principals
    )
    with pytest.raises(AccessDenied, match="its own agent"):
        await proxy.call(agentless.ISSUE_SERVER, agentless.IssueServerCertificate(node=ours, ssh_public_key=key))


async def test_a_session_belongs_to_the_proxy_that_told_of_it_first(cluster: TestCluster) -> None:
    """28. What it tells names the server and itself; nobody else tells of that session."""
    name, sid = await node(cluster), str(uuid.uuid4())
    proxy, other, agent = await cluster.host("Proxy"), await cluster.host("Proxy"), await cluster.host("Node")

    def event(**fields: str) -> audit.EmitEvents:
        body = {"event": "session.start", "code": "T2000I", "uid": str(uuid.uuid4()), "sid": sid, **fields}
        return audit.EmitEvents((msgspec.Raw(msgspec.json.encode(body)),))

    await proxy.call(audit.EMIT, event(server_id=name))
    for stranger in (other, agent):
        with pytest.raises(AccessDenied):
            await stranger.call(audit.EMIT, event(server_id=name))
        with pytest.raises(AccessDenied):
            await stranger.call(audit.EMIT, event(server_id="", forwarded_by="nobody"))
    (told,) = await cluster.events("session.start")
    assert told["server_id"] == name
    assert told["forwarded_by"]
