"""54. A pinned address is checked at every call and survives a reissue."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from auth_cluster import auth_cluster, key_pair

from teleport.api.routes import certificates, resources
from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied
from teleport.model.resources.node import Node


async def test_a_pinned_certificate_works_from_its_address_alone(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        document = {
            "kind": "role",
            "version": "v7",
            "metadata": {"name": "pinned"},
            "spec": {"options": {"pin_source_ip": True}, "allow": {"node_labels": {"*": "*"}}},
        }
        admin = await cluster.admin()
        raw = msgspec.Raw(msgspec.json.encode(document))
        await admin.call(resources.CREATE, resources.CreateResource("role", raw))
        person = await cluster.sign_up("alice", "pinned")
        granted = await cluster.log_in_for(person, address="203.0.113.7")
        assert x509.read_identity(granted.tls_cert, "user").pinned_ip == "203.0.113.7"
        home = cluster.client(granted.tls_cert, "203.0.113.7")
        await home.list(Node)
        with pytest.raises(AccessDenied, match="pinned"):
            await cluster.client(granted.tls_cert, "203.0.113.8").list(Node)
        keys = key_pair()
        again = await home.call(
            certificates.ISSUE,
            certificates.IssueCertificates(tls_public_key=keys.tls, ttl=timedelta(minutes=5)),
        )
        assert x509.read_identity(again.tls_certificate, "user").pinned_ip == "203.0.113.7"
        with pytest.raises(AccessDenied, match="pinned"):
            await cluster.client(again.tls_certificate, "203.0.113.8").list(Node)


async def test_a_certificate_from_before_the_role_asked_for_a_pin_is_refused(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        role = await cluster.role("pinned")
        person = await cluster.sign_up("alice", "pinned")
        client = await cluster.log_in(person)
        await client.list(Node)
        role.spec.options.pin_source_ip = True
        await cluster.store.upsert(role)
        with pytest.raises(AccessDenied, match="log in again"):
            await client.list(Node)
