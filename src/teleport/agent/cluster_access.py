"""What the agent's services reach the cluster with: the API as this host, kept up as its certificates are renewed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from teleport.agent import identity as identities
from teleport.agent import registration
from teleport.agent.identity import HostIdentity
from teleport.agent.registration import IDENTITY_FILE, Enrolment
from teleport.api.changes import remote_source
from teleport.api.client import Client
from teleport.api.session_sink import SessionSink
from teleport.credentials import tls_contexts
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.peers import verify_host
from teleport.engines.engine import SshHostKey
from teleport.foundation.clock import Clock
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resources.cert_authority import CertAuthority
from teleport.net.address import Address
from teleport.storage.feed import Message
from teleport.storage.replica import Replica
from teleport.tunnel.agent_pool import TunnelContexts
from teleport.wire.tls_names import ALPN_HOST, ALPN_TUNNEL, ALPN_TUNNEL_DATA

log = get_logger("agent")

_RETRY = 60.0


class ClusterAccess:
    """The host's identity as it is now, and what is made of it; `sink` is where events and recordings go."""

    def __init__(self, server: Address, identity: HostIdentity, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._retired: list[Client] = []
        self.sink = SessionSink(lambda: self.client)
        self._adopt(identity)

    def _adopt(self, identity: HostIdentity) -> None:
        self.identity = identity
        self.client = registration.auth_client(self._server, identity)
        self.host_key = SshHostKey(identity.keys.ssh.encode(), identity.credentials.ssh_certificate)
        self.own_port_context = tls_contexts.server_context(
            identity.credentials.tls_certificate.decode(), identity.keys.tls,
            client_ca_pems=identity.tls_authorities, require_client_certificate=True, alpn=(ALPN_HOST,),
        )  # fmt: skip
        self.tunnel_contexts = TunnelContexts(self._context(ALPN_TUNNEL), self._context(ALPN_TUNNEL_DATA))

    def _context(self, alpn: str) -> ssl.SSLContext:
        identity = self.identity
        return tls_contexts.client_context(
            identity.tls_authorities,
            chain_pem=identity.credentials.tls_certificate.decode(),
            key_pem=identity.keys.tls,
            alpn=(alpn,),
        )

    def check_proxy(self, certificate: bytes | None) -> None:
        """Raises NotAuthenticated unless it is a certificate of a proxy of this cluster."""
        cluster = self.identity.cluster
        authority = TrustedAuthority(kind="host", cluster=cluster, tls_certificates=self.identity.tls_authorities)
        verify_host(certificate or b"", [authority], self._clock.now(), cluster=cluster, roles=("Proxy",))

    def user_authorities(self, replica: Replica) -> Sequence[TrustedAuthority]:
        """As the cluster says now; as it said when this host joined, where the replica does not know."""
        found = replica.find(CertAuthority, f"user/{self.identity.cluster}")
        if found is None:
            return (self.identity.user_authority,)
        lines = tuple(key.public_key for key in found.trusted_keys().ssh)
        return (TrustedAuthority(kind="user", cluster=found.spec.cluster_name, ssh_keys=lines),)

    def changes(self, kinds: Sequence[str]) -> AsyncIterator[Message]:
        """What a Replica of these kinds feeds on."""
        return remote_source(self.client, kinds)()

    async def stay_renewed(self, data_dir: Path, enrolment: Enrolment) -> None:
        """Renew the identity at two thirds of its life, for ever, and at once when this host has a new name."""
        has_new_name = not self.identity.is_called((enrolment.node_name, *enrolment.principals))
        while True:
            due = self.identity.renewal_due(self._clock.now()).total_seconds()
            if due > 0 and not has_new_name:
                await asyncio.sleep(min(due, 3600))
                continue
            try:
                renewed = await registration.renew(self.client, self.identity, enrolment, self._clock)
                await asyncio.to_thread(identities.store, data_dir / IDENTITY_FILE, renewed)
            except (TeleportError, OSError) as error:
                left = self.identity.credentials.expires - self._clock.now()
                log.warning("the host's identity could not be renewed yet", error=error, left=left)
                await asyncio.sleep(_RETRY)
                continue
            self._retired.append(self.client)
            self._adopt(renewed)
            has_new_name = False
            log.info("the host's identity was renewed", expires=renewed.credentials.expires)

    async def close(self) -> None:
        for client in (*self._retired, self.client):
            await client.close()
