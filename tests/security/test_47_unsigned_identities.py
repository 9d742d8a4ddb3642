"""47. Identity comes from a signature of the cluster's authority; what a caller writes or signs itself is nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import PASSWORD, AsgiTransport, TestCluster, auth_cluster, key_pair
from authorities import Authority

from teleport.api.client import Client
from teleport.api.endpoint import CLIENT_ADDRESS_HEADER
from teleport.api.route import Empty
from teleport.api.routes import login
from teleport.api.routes.cluster import WHO_AM_I
from teleport.credentials import x509
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import NotAuthenticated
from teleport.model.identity import Identity


def identity(cluster: TestCluster, name: str = "example") -> Identity:
    return Identity(
        username="alice", cluster=name, roles=("editor",), expires=cluster.clock.now() + timedelta(hours=1)
    )


async def test_a_certificate_of_a_stranger_s_authority_is_nothing(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.user("alice", "editor")
        for name in ("example", "other"):
            authority = Authority("user", name, cluster.clock.now())
            key = PrivateKey.generate("ecdsa-p256").public
            forged = x509.issue_user(identity(cluster, name), key, authority.tls, cluster.clock.now())
            with pytest.raises(NotAuthenticated):
                await cluster.client(forged).call(WHO_AM_I, Empty())


async def test_headers_name_nobody(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        headers = {
            "x-forwarded-for": "127.0.0.1",
            "x-teleport-user": "admin",
            "authorization": "Bearer admin",
            "cookie": "__Host-session=admin",
        }
        client = Client(AsgiTransport(cluster.service.app), headers)
        with pytest.raises(NotAuthenticated):
            await client.call(WHO_AM_I, Empty())


async def test_the_client_s_address_is_believed_from_proxies_alone(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        told: dict[str, str] = {CLIENT_ADDRESS_HEADER: "203.0.113.7"}
        proxy = await cluster.host_identity("Proxy")
        node = await cluster.host_identity("Node")
        seen = []
        for der in (
            x509.to_der(proxy.credentials.tls_certificate),
            x509.to_der(node.credentials.tls_certificate),
            b"",
        ):
            keys = key_pair()
            request = login.FinishLogin(
                user="alice", password=PASSWORD, totp_code=person.next_code(), tls_pub_key=keys.tls
            )
            client = Client(AsgiTransport(cluster.service.app, der, "192.0.2.50"), told)
            granted = await client.call(login.FINISH, request)
            seen.append(x509.read_identity(granted.tls_cert, "user").login_ip)
        assert seen == ["203.0.113.7", "192.0.2.50", "192.0.2.50"]
