"""Asks policy about people and nodes with what the replica holds: roles, locks and the cluster's settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.peers import verify_peer
from teleport.foundation.clock import Clock
from teleport.foundation.errors import AccessDenied, NotAuthenticated
from teleport.model.identity import Identity
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.model.resources.session_tracker import SessionTracker
from teleport.net.address import Address
from teleport.policy import locks
from teleport.policy.access import AccessState, can_access, visible
from teleport.policy.decision import Decision
from teleport.policy.joining import Joinable, can_join
from teleport.policy.role_set import RoleSet, RoleSetMemory
from teleport.storage.replica import Replica


class ReplicaNodePolicy:
    """Decides from the copy of the cluster that a proxy keeps."""

    def __init__(self, cluster: str, replica: Replica, clock: Clock) -> None:
        self._cluster = cluster
        self._replica = replica
        self._clock = clock
        self._role_sets = RoleSetMemory()

    def lock_message(self, identity: Identity) -> str:
        """Of a lock that stops the person everywhere; empty for none."""
        lock = locks.blocking(self._replica.list(Lock), identity, None, self._clock.now())
        return locks.message(lock) if lock is not None else ""

    def can_see(self, identity: Identity, node: Node) -> bool:
        return visible(self._role_set(identity).at(self._clock.now()), node)

    def decide(self, identity: Identity, node: Node, login: str, client: Address) -> Decision:
        """Without a login, labels decide here and the agent decides the login."""
        values = {"logins": login} if login else None
        return can_access(self._role_set(identity), "node", node, self._state(identity, client), values)

    def decide_join(self, identity: Identity, tracker: SessionTracker, node: Node, client: Address) -> Decision:
        """Whether the session may be joined in any mode; the agent decides which."""
        spec = tracker.spec
        session = Joinable(
            owner=spec.host_user, owner_roles=spec.host_roles, kind=spec.kind, login=spec.login, host=node
        )
        return can_join(self._role_set(identity), session, None, self._state(identity, client))

    def _state(self, identity: Identity, client: Address) -> AccessState:
        now = self._clock.now()
        return AccessState.of(
            identity,
            self._replica.get_singleton(ClusterAuthPreference),
            source_ip=client.host,
            now=now,
            locks=self._replica.list(Lock),
            locks_age=self._replica.age(now),
        )

    def _role_set(self, identity: Identity) -> RoleSet:
        """Compiled once per person and state of their roles. Raises Unavailable before the replica is ready."""
        found = ((name, self._replica.find(Role, name)) for name in identity.roles)
        roles = {name: role for name, role in found if role is not None}
        return self._role_sets.for_identity(identity, roles, self._cluster)


class PeerIdentifier:
    """Tells who a certificate belongs to, and refuses whom a lock stops everywhere."""

    def __init__(
        self, cluster: str, authorities: Callable[[], Sequence[TrustedAuthority]], replica: Replica, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._authorities = authorities
        self._replica = replica
        self._clock = clock

    def identify(self, certificate: bytes | None) -> Identity:
        """Raises NotAuthenticated, AccessDenied."""
        identity = self.verify(certificate)
        lock = locks.blocking(self._replica.list(Lock), identity, None, self._clock.now())
        if lock is not None:
            raise AccessDenied(locks.message(lock))
        return identity

    def verify(self, certificate: bytes | None) -> Identity:
        """Whoever it is, locked or not. Raises NotAuthenticated."""
        if certificate is None:
            raise NotAuthenticated("a client certificate is needed here: log in first")
        identity = verify_peer(certificate, self._authorities(), self._clock.now())
        if identity.cluster != self._cluster:
            raise NotAuthenticated(f"certificates of cluster {identity.cluster!r} are not accepted here")
        return identity
