"""Certificates with which proxies serve servers themselves: to be shown for a server, and to enter it.

A proxy is believed that a person holds the key of the certificate it hands on. Whether that person may be this login
on this server is decided here again, by the certificate and by roles as they are in force.
"""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import msgspec

from teleport.api.routes.agentless import (
    FindServer,
    IssueLoginCertificate,
    IssueServerCertificate,
    ServerFound,
    SshCertificateIssued,
)
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PublicKey
from teleport.credentials.ssh_certificates import Permits
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound
from teleport.model.identity import Identity
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node
from teleport.model.resources.session_recording_config import SessionRecordingConfig
from teleport.model.resources.user import User
from teleport.model.resources.user_login_state import UserLoginState
from teleport.policy.access import AccessState, can_access_node
from teleport.storage.replica import Replica

MAX_HOSTS = 16
LOOKUP_TIMEOUT = 2.0
SERVER_TTL = timedelta(hours=12)
LOGIN_TTL = timedelta(minutes=2)
"""Long enough to log in; what has been opened by then stays."""


class Agentless:
    """Answers proxies alone."""

    def __init__(self, cluster: Cluster, guard: Guard, nodes: Replica) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._guard = guard

    async def server(self, caller: Caller, request: IssueServerCertificate) -> SshCertificateIssued:
        """Raises AccessDenied for a node that its own agent serves."""
        node = await self._node(request.node)
        if not node.is_openssh and not await self._is_recorded_at_proxy():
            await self._guard.refuse(caller, f"node {node.name!r} is served by its own agent")
        now, name = self._cluster.clock.now(), self._cluster.name
        identity = Identity(
            username=f"{node.name}.{name}",
            cluster=name,
            expires=(now + SERVER_TTL).replace(microsecond=0),
            system_role="Node",
            host_id=node.name,
        )
        line = ssh_certificates.issue_host(
            identity,
            PublicKey.from_text(request.ssh_public_key),
            await self._cluster.authorities.ssh("host"),
            now,
            (node.hostname, f"{node.hostname}.{name}"),
        )
        return SshCertificateIssued(ssh_certificate=line.encode(), expires=identity.expires)

    async def login(self, caller: Caller, request: IssueLoginCertificate) -> SshCertificateIssued:
        """Raises AccessDenied."""
        node = await self._node(request.node)
        if not node.is_openssh:
            await self._guard.refuse(caller, f"node {node.name!r} is served by its own agent, which trusts its users")
        now = self._cluster.clock.now()
        identity = await self._person(caller, request)
        if identity.user_type == "local" and await self._cluster.store.find(User, identity.username) is None:
            await self._guard.refuse(caller, "the user of this certificate does not exist any more")
        await self._refuse_withdrawn(caller, identity)
        role_set = await role_set_of(self._cluster, identity)
        state = AccessState.of(
            identity,
            await self._cluster.preference(),
            source_ip=request.client_address,
            now=now,
            locks=[lock async for lock in self._cluster.store.iterate(Lock)],
        )
        decision = can_access_node(role_set, node, request.login, state)
        if not decision.allowed:
            await self._guard.refuse(caller, decision.message_for_user(), decision.message_for_administrator())
        options = role_set.options
        line = ssh_certificates.issue_openssh(
            msgspec.structs.replace(identity, expires=(now + LOGIN_TTL).replace(microsecond=0)),
            request.login,
            PublicKey.from_text(request.ssh_public_key),
            await self._cluster.authorities.ssh("openssh"),
            now,
            Permits(
                pty=True,
                port_forwarding=options.port_forwarding_local or options.port_forwarding_remote,
                agent_forwarding=options.forward_agent,
                x11_forwarding=options.permit_x11_forwarding,
            ),
        )
        return SshCertificateIssued(ssh_certificate=line.encode(), expires=(now + LOGIN_TTL).replace(microsecond=0))

    async def find(self, caller: Caller, request: FindServer) -> ServerFound:
        """For hosts that forward connections: is one of these a server that is to be reached through a proxy?"""
        if caller.system_role not in ("Node", "Proxy") and not caller.is_admin:
            await self._guard.refuse(caller, "this call is for hosts that forward connections")
        if len(request.hosts) > MAX_HOSTS:
            raise BadParameter(f"{len(request.hosts)} names of one host, at most {MAX_HOSTS}")
        wanted = {host.lower().rstrip(".") for host in request.hosts}
        for node in self._nodes.list(Node):
            host, _, port = node.spec.addr.rpartition(":")
            if not node.is_openssh or port != str(request.port):
                continue
            names = {host.strip("[]").lower(), node.hostname.lower()}
            if wanted & names or wanted & await self._addresses(host.strip("[]")):
                return ServerFound(node.hostname)
        return ServerFound()

    @staticmethod
    async def _addresses(host: str) -> set[str]:
        """What a name stands for; nothing where nobody knows it."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            return set()
        return {str(entry[4][0]) for entry in found}

    async def _node(self, name: str) -> Node:
        """Raises NotFound."""
        node = await self._cluster.store.find(Node, name) if name else None
        if node is None:
            raise NotFound(f"there is no node {name[:64]!r}: a server that is not registered is not reached")
        return node

    async def _person(self, caller: Caller, request: IssueLoginCertificate) -> Identity:
        try:
            return ssh_certificates.verify_user(
                request.ssh_certificate.decode("utf-8", "replace"),
                await self._cluster.authorities.trusted("user"),
                request.login,
                self._cluster.clock.now(),
                request.client_address,
            )
        except NotAuthenticated as problem:
            await self._guard.refuse(caller, problem.message)
            raise

    async def _refuse_withdrawn(self, caller: Caller, identity: Identity) -> None:
        """What an access list gave ends with the membership, also in certificates from before."""
        state = await self._cluster.store.find(UserLoginState, identity.username)
        if state is None:
            return
        user = await self._cluster.store.find(User, identity.username)
        if gone := state.withdrawn_from(identity, user, self._cluster.clock.now()):
            await self._guard.refuse(caller, gone)

    async def _is_recorded_at_proxy(self) -> bool:
        return (await self._cluster.store.get_singleton(SessionRecordingConfig)).spec.at_proxy
