"""Rule 3: a token for one role gives nobody the id of a host that is there in another role."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from auth_cluster import TestCluster, auth_cluster, key_pair

from teleport.api.routes import hosts, tokens
from teleport.foundation.errors import AccessDenied
from teleport.model.resource import Metadata
from teleport.model.resources.service_heartbeats import ProxyServer


async def join(cluster: TestCluster, host_id: str, *roles: str) -> hosts.HostCredentials:
    admin, keys = await cluster.admin(), key_pair()
    granted = await admin.call(tokens.CREATE, tokens.CreateToken(roles=roles))
    request = hosts.Join(
        token=granted.token,
        host_id=host_id,
        node_name="web",
        role="Node",
        public_ssh_key=keys.ssh,
        public_tls_key=keys.tls,
    )
    return await cluster.stranger().call(hosts.JOIN, request)


async def test_a_node_does_not_get_the_id_of_the_auth_server_or_of_a_proxy(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        proxy_id = str(uuid.uuid4())
        proxy = await cluster.host("Proxy", proxy_id)
        await proxy.put(ProxyServer(metadata=Metadata(name=proxy_id)))
        for taken in (cluster.service.cluster.settings.host_id, proxy_id):
            with pytest.raises(AccessDenied, match="is connected"):
                await join(cluster, taken, "Node")
        assert (await join(cluster, str(uuid.uuid4()), "Node")).role == "Node"


async def test_a_process_of_several_services_joins_with_each(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        proxy_id = str(uuid.uuid4())
        proxy = await cluster.host("Proxy", proxy_id)
        await proxy.put(ProxyServer(metadata=Metadata(name=proxy_id)))
        assert (await join(cluster, proxy_id, "Node", "Proxy")).host_id == proxy_id
