"""Joining by a token, renewing, and every refusal."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from auth_cluster import TestCluster, key_pair

from teleport.api.routes import hosts, tokens
from teleport.credentials import ssh_certificates, x509
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound, Unsupported
from teleport.model.resource import Metadata
from teleport.model.resources.node import Node, NodeSpec


def joining(token: str, role: str = "Node", host_id: str = "", method: str = "token") -> hosts.Join:
    keys = key_pair()
    return hosts.Join(
        token=token,
        host_id=host_id or str(uuid.uuid4()),
        node_name="Web",
        role=role,
        public_ssh_key=keys.ssh,
        public_tls_key=keys.tls,
        method=method,
    )


async def token_for(cluster: TestCluster, *roles: str, **more: object) -> str:
    admin = await cluster.admin()
    created = await admin.call(tokens.CREATE, tokens.CreateToken(roles=roles, **more))  # type: ignore[arg-type]
    return created.token


async def test_a_token_lets_a_host_in_under_its_names(cluster: TestCluster) -> None:
    token = await token_for(cluster, "Node")
    host_id = str(uuid.uuid4())
    got = await cluster.stranger().call(hosts.JOIN, joining(token, host_id=host_id))
    identity = x509.read_identity(got.tls_certificate, "host")
    certificate = ssh_certificates.read_host(got.ssh_certificate.decode())
    assert (identity.system_role, identity.host_id, identity.username) == ("Node", host_id, f"{host_id}.example")
    assert {host_id, f"{host_id}.example", "Web", "Web.example", "web", "web.example"} <= set(certificate.principals)
    assert got.tls_authorities
    assert got.user_ssh_authorities
    (event,) = await cluster.events("instance.join")
    assert (event["code"], event["host_id"], event["role"]) == ("TJ002I", host_id, "Node")
    assert token not in str(event)


@pytest.mark.parametrize("why", ["unknown", "expired", "role"])
async def test_refusals_read_the_same_and_are_recorded_apart(cluster: TestCluster, why: str) -> None:
    token = await token_for(cluster, "Node")
    role = "Proxy" if why == "role" else "Node"
    if why == "expired":
        cluster.clock.advance(timedelta(hours=1))
    if why == "unknown":
        token = "no-such-token"
    with pytest.raises(AccessDenied) as refused:
        await cluster.stranger().call(hosts.JOIN, joining(token, role))
    assert refused.value.message.startswith("joining refused")
    (event,) = await cluster.events("instance.join")
    assert (event["code"], event["success"], event["uid"]) == ("TJ002E", False, refused.value.event_id)


async def test_a_single_use_token_is_used_up(cluster: TestCluster) -> None:
    token = await token_for(cluster, "Node", single_use=True)
    await cluster.stranger().call(hosts.JOIN, joining(token))
    with pytest.raises(AccessDenied):
        await cluster.stranger().call(hosts.JOIN, joining(token))


async def test_a_token_does_not_give_away_the_name_of_a_connected_host(cluster: TestCluster) -> None:
    token = await token_for(cluster, "Node")
    host_id = str(uuid.uuid4())
    agent = await cluster.host("Node", host_id)
    await agent.put(Node(metadata=Metadata(name=host_id), spec=NodeSpec(hostname="web")))
    with pytest.raises(AccessDenied, match="is connected"):
        await cluster.stranger().call(hosts.JOIN, joining(token, host_id=host_id))


async def test_a_token_does_not_give_away_the_name_of_a_host_that_is_away(cluster: TestCluster) -> None:
    token = await token_for(cluster, "Node")
    host_id = str(uuid.uuid4())
    stranger = cluster.stranger()
    await stranger.call(hosts.JOIN, joining(token, host_id=host_id))
    await stranger.call(hosts.JOIN, joining(token, host_id=host_id))  # the answer never came: it asks again
    agent = await cluster.host("Node", host_id)
    await agent.put(Node(metadata=Metadata(name=host_id), spec=NodeSpec(hostname="web")))
    cluster.clock.advance(timedelta(hours=12))
    await cluster.store.backend.sweep()
    assert await cluster.store.find(Node, host_id) is None
    token = await token_for(cluster, "Node")
    with pytest.raises(AccessDenied, match="certificate is still good"):
        await stranger.call(hosts.JOIN, joining(token, host_id=host_id))


async def test_a_host_keeps_its_id_with_each_renewal_and_no_longer(cluster: TestCluster) -> None:
    host_id = str(uuid.uuid4())
    agent, keys = await cluster.host("Node", host_id), key_pair()
    renewal = hosts.RenewHost(
        host_id=host_id, node_name="web", role="Node", public_ssh_key=keys.ssh, public_tls_key=keys.tls
    )
    got = await agent.call(hosts.RENEW, renewal)
    token = await token_for(cluster, "Node")
    with pytest.raises(AccessDenied, match="certificate is still good"):
        await cluster.stranger().call(hosts.JOIN, joining(token, host_id=host_id))
    cluster.clock.advance(got.expires - cluster.clock.now() + timedelta(seconds=1))
    token = await token_for(cluster, "Node")
    await cluster.stranger().call(hosts.JOIN, joining(token, host_id=host_id))


async def test_other_methods_and_bad_names_are_refused_by_name(cluster: TestCluster) -> None:
    token = await token_for(cluster, "Node")
    with pytest.raises(Unsupported, match="iam"):
        await cluster.stranger().call(hosts.JOIN, joining(token, method="iam"))
    with pytest.raises(BadParameter, match="host_id"):
        await cluster.stranger().call(hosts.JOIN, joining(token, host_id="../../etc"))


async def test_a_host_renews_what_it_is_and_nothing_else(cluster: TestCluster) -> None:
    host_id = str(uuid.uuid4())
    agent = await cluster.host("Node", host_id)
    keys = key_pair()

    def renewal(host_id: str, role: str) -> hosts.RenewHost:
        return hosts.RenewHost(
            host_id=host_id, node_name="web", role=role, public_ssh_key=keys.ssh, public_tls_key=keys.tls
        )

    got = await agent.call(hosts.RENEW, renewal(host_id, "Node"))
    assert x509.read_identity(got.tls_certificate, "host").host_id == host_id
    for other, role in ((str(uuid.uuid4()), "Node"), (host_id, "Proxy"), (host_id, "Auth")):
        with pytest.raises(AccessDenied):
            await agent.call(hosts.RENEW, renewal(other, role))
    person = await cluster.person("alice", "editor")
    with pytest.raises(AccessDenied):
        await person.call(hosts.RENEW, renewal(host_id, "Node"))


async def test_nobody_joins_as_the_administrator(cluster: TestCluster) -> None:
    token = await token_for(cluster, "Node")
    with pytest.raises(BadParameter):
        await cluster.stranger().call(hosts.JOIN, joining(token, "Admin"))


async def test_tokens_are_listed_masked_and_deleted_by_their_id(cluster: TestCluster) -> None:
    editor = await cluster.person("alice", "editor")
    created = await editor.call(tokens.CREATE, tokens.CreateToken(roles=("node",), value="chosen-by-hand"))
    assert created.roles == ("Node",)
    assert created.ca_pins[0].startswith("sha256:")
    with pytest.raises(Exception, match="already exists"):
        await editor.call(tokens.CREATE, tokens.CreateToken(roles=("node",), value="chosen-by-hand"))
    (masked,) = (await editor.call(tokens.LIST, tokens.ListTokens())).tokens
    assert "chosen-by" not in masked.token
    (shown,) = (await editor.call(tokens.LIST, tokens.ListTokens(with_secrets=True))).tokens
    assert shown.token == "chosen-by-hand"
    await editor.call(tokens.DELETE, tokens.DeleteToken(masked.id))
    with pytest.raises(NotFound):
        await editor.call(tokens.DELETE, tokens.DeleteToken("chosen-by-hand"))
    person = await cluster.person("bob", "access")
    with pytest.raises(AccessDenied):
        await person.call(tokens.LIST, tokens.ListTokens())
