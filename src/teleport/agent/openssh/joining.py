"""Registers this host's sshd with a cluster: an identity by token, the node resource, and what sshd is given."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from teleport.agent import identity as identities
from teleport.agent import registration
from teleport.agent.identity import HostIdentity
from teleport.agent.openssh.sshd_config import Credentials
from teleport.agent.registration import IDENTITY_FILE, Enrolment
from teleport.api.client import Client
from teleport.api.routes import certificates
from teleport.api.routes.public import ExportAuthorities
from teleport.foundation.clock import Clock
from teleport.foundation.errors import NotFound
from teleport.model.resource import Metadata
from teleport.model.resources.node import Node, NodeSpec


@dataclass(frozen=True)
class OpensshServer:
    """How the cluster is to know this host: where its sshd is reached, and its labels."""

    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Joined:
    cluster: str
    host_id: str
    credentials: Credentials
    expires: datetime
    was_known: bool
    """Whether it was a server of the cluster before, and its certificate was renewed."""


async def join(data_dir: Path, enrolment: Enrolment, server: OpensshServer, clock: Clock) -> Joined:
    """Raises what the cluster refuses with, BadParameter and Unavailable."""
    path = data_dir / IDENTITY_FILE
    stored = await asyncio.to_thread(identities.load, path)
    is_good = stored is not None and stored.host_id == enrolment.host_id and not stored.is_expired(clock.now())
    if stored is not None and is_good:
        client = registration.auth_client(enrolment.server, stored)
        try:
            identity = await registration.renew(client, stored, enrolment, clock)
        finally:
            await client.close()
        await asyncio.to_thread(identities.store, path, identity)
    else:
        identity = await registration.enrol(data_dir, enrolment, clock)
    client = registration.auth_client(enrolment.server, identity)
    try:
        await _register(client, identity, enrolment, server)
        authorities = await client.call(certificates.EXPORT, ExportAuthorities(type="openssh"))
    finally:
        await client.close()
    certificate = identity.credentials.ssh_certificate.decode().strip() + "\n"
    return Joined(
        cluster=identity.cluster,
        host_id=identity.host_id,
        credentials=Credentials(identity.keys.ssh, certificate, authorities.text),
        expires=identity.credentials.expires,
        was_known=is_good,
    )


async def _register(client: Client, identity: HostIdentity, enrolment: Enrolment, server: OpensshServer) -> None:
    try:
        node = await client.get(Node, identity.host_id)
    except NotFound:
        node = Node(metadata=Metadata(name=identity.host_id))
    node.sub_kind = "openssh"
    node.metadata.labels = dict(server.labels)
    node.metadata.expires = identity.credentials.expires  # its host certificate is good for as long
    node.spec = NodeSpec(addr=server.address, hostname=enrolment.node_name)
    node.check()
    await client.put(node)
