"""A dial's decision: which resource is meant, and whether it may be reached. Tells nobody what they may not see.

A name is looked up among all resources, then what the person may not see is dropped: an unknown name and a hidden
one give the same answer, and take the same path to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from teleport.foundation.errors import (
    AccessDenied,
    BadParameter,
    MfaRequired,
    NotFound,
    TeleportError,
    Unsupported,
)
from teleport.model.events.base import Event
from teleport.model.events.session import SessionConnected
from teleport.model.events.user import AuthFailed
from teleport.model.identity import Identity
from teleport.model.resources.node import Node
from teleport.model.resources.session_tracker import SessionTracker
from teleport.net.address import Address
from teleport.policy.decision import Code, Decision, generic_refusal
from teleport.proxy.networking import networking_spec
from teleport.storage.replica import Replica
from teleport.tunnel.messages import PROTOCOL_VERSION, Candidate, DialAnswer, DialRequest, IncomingRequest

Emit = Callable[[Event], Event]
"""Takes an audit event without waiting; returns it with its `uid`."""

_MAX_CANDIDATES = 10
_MAX_TEXT = 512
_NODE = "node"
_SESSION = "session"
"""The target is a session's id: whoever may join it reaches the node that runs it, for nothing else."""
_NO_SESSION = "there is no such session that you may join"


class NodePolicy(Protocol):
    """What policy says of a person and a node."""

    def lock_message(self, identity: Identity) -> str: ...

    def can_see(self, identity: Identity, node: Node) -> bool: ...

    def decide(self, identity: Identity, node: Node, login: str, client: Address) -> Decision: ...

    def decide_join(self, identity: Identity, tracker: SessionTracker, node: Node, client: Address) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Granted:
    """A dial that may go on: to which host, with which request, answered how."""

    host_id: str
    node: Node
    session: str
    """The id of the one that is to be joined; empty for a dial of the node itself."""
    request: IncomingRequest
    answer: DialAnswer


class DialDesk:
    def __init__(self, cluster: str, replica: Replica, policy: NodePolicy, emit: Emit) -> None:
        self._cluster = cluster
        self._replica = replica
        self._policy = policy
        self._emit = emit

    def decide(self, identity: Identity, request: DialRequest, client: Address) -> Granted | DialAnswer:
        """Every refusal is an audit event, whose id is in the answer. That a second factor is missing is none when
        the client only asks whether one is.
        """
        try:
            self._understand(request)
            if locked := self._policy.lock_message(identity):
                raise AccessDenied(locked)
            if request.kind == _SESSION:
                node = self._host_of_session(identity, request, client)
                return self._granted(identity, node, request, client)
            found = self._find(identity, request)
            if isinstance(found, list):
                return self._ambiguous(identity, request, client, found)
            node = found
            self._check(identity, node, request, client)
        except MfaRequired as missing:
            if request.asks_mfa:
                return DialAnswer(allowed=False, code=missing.code, message=missing.message)
            return self.refuse(identity, request, client, missing)
        except TeleportError as problem:
            return self.refuse(identity, request, client, problem)
        return self._granted(identity, node, request, client)

    def connected(self, identity: Identity, granted: Granted, client: Address) -> None:
        """The agent gave a connection: record it."""
        node = granted.node
        self._emit(
            SessionConnected(
                user=identity.username,
                user_cluster_name=identity.cluster,
                login=granted.request.login_hint,
                server_id=node.metadata.name,
                server_hostname=node.hostname,
                server_addr=node.spec.addr,
                server_labels=node.labels,
                namespace="default",
                addr_remote=str(client),
                proto=granted.request.protocol.removesuffix("-resumable"),
            )
        )

    def refuse(self, identity: Identity, request: DialRequest, client: Address, problem: TeleportError) -> DialAnswer:
        """The answer to whoever may not, or whose agent gives no connection; told to the audit log."""
        event = self._emit(
            AuthFailed(
                user=identity.username,
                user_cluster_name=identity.cluster,
                login=request.login[:_MAX_TEXT],
                addr_remote=str(client),
                success=False,
                error=problem.message,
                message=f"dial {request.kind[:_MAX_TEXT]} {request.target[:_MAX_TEXT]}".strip(),
            )
        )
        return DialAnswer(allowed=False, code=problem.code, message=problem.message, event_id=event.uid)

    def _understand(self, request: DialRequest) -> None:
        """Raises NotFound, Unsupported."""
        if request.version != PROTOCOL_VERSION:
            raise Unsupported(
                f"dial requests of version {request.version} are not understood, use {PROTOCOL_VERSION}"
            )
        if request.kind not in (_NODE, _SESSION):
            raise Unsupported(f"resources of kind {request.kind[:_MAX_TEXT]!r} cannot be dialled here")
        if request.cluster and request.cluster != self._cluster:
            raise NotFound(f"cluster {request.cluster[:_MAX_TEXT]!r} is not known here")

    def _host_of_session(self, identity: Identity, request: DialRequest, client: Address) -> Node:
        """The node that runs a session which the person may join. Raises AccessDenied, the same for one that is not
        there and one that is nothing to them.
        """
        tracker = self._replica.find(SessionTracker, request.target)
        node = None
        if tracker is not None:
            # the host that runs it may be a proxy that serves the node
            node = self._replica.find(Node, tracker.spec.address) or self._replica.find(Node, tracker.spec.host_id)
        if tracker is None or node is None or tracker.spec.kind != "ssh":
            raise AccessDenied(_NO_SESSION)
        decision = self._policy.decide_join(identity, tracker, node, client)
        if decision.reason.code is Code.JOIN_NOT_ALLOWED:
            raise AccessDenied(_NO_SESSION)
        _raise_refusal(decision)
        return node

    def _find(self, identity: Identity, request: DialRequest) -> Node | list[Node]:
        """The node, or several that match. Raises BadParameter, AccessDenied."""
        if not request.target and not request.labels:
            raise BadParameter("a dial names its target or gives labels")
        found = [node for node in self._matching(request) if self._policy.can_see(identity, node)]
        if not found:
            raise AccessDenied(_not_found(request))
        if len(found) > 1 and networking_spec(self._replica).routing_strategy == "most_recent":
            return max(found, key=_last_heard)
        return found[0] if len(found) == 1 else found

    def _matching(self, request: DialRequest) -> Sequence[Node]:
        target = request.target
        if not target:
            wanted = request.labels.items()
            return [node for node in self._replica.list(Node) if wanted <= node.labels.items()]
        exact = self._replica.find(Node, target)
        if exact is not None:
            return [exact]
        alike = self._replica.lookup(Node, "hostname", target)
        named = [node for node in alike if node.hostname == target]
        if not named and networking_spec(self._replica).case_insensitive_routing:
            named = [node for node in alike if _is_lower_form(target, node.hostname)]
        if named or not _is_ip(target):
            return named
        return [node for node in self._replica.list(Node) if _host_of(node) == target]

    def _check(self, identity: Identity, node: Node, request: DialRequest, client: Address) -> None:
        """Raises AccessDenied."""
        _raise_refusal(self._policy.decide(identity, node, request.login, client))

    def _granted(self, identity: Identity, node: Node, request: DialRequest, client: Address) -> Granted:
        name = node.metadata.name
        incoming = IncomingRequest(
            kind=_NODE,
            resource_id=name,
            protocol=request.protocol[:_MAX_TEXT],
            login_hint=request.login[:_MAX_TEXT],
            client_addr=str(client),
            user=identity.username,
            trace_id=request.trace_id[:_MAX_TEXT],
            resumption=request.resumption[:_MAX_TEXT],
            resumes=request.resumes,
        )
        answer = DialAnswer(allowed=True, resource_id=name, resource_name=node.hostname, cluster=self._cluster)
        session = request.target if request.kind == _SESSION else ""
        return Granted(name, node, session, incoming, answer)

    def _ambiguous(self, identity: Identity, request: DialRequest, client: Address, nodes: list[Node]) -> DialAnswer:
        what = repr(request.target) if request.target else "these labels"
        verb = "matches" if request.target else "match"
        problem = BadParameter(f"{what} {verb} {len(nodes)} servers: choose one by its UUID")
        answer = self.refuse(identity, request, client, problem)
        answer.candidates = [
            Candidate(
                name=node.metadata.name, hostname=node.hostname, addr=node.spec.addr, labels=node.metadata.labels
            )
            for node in nodes[:_MAX_CANDIDATES]
        ]
        return answer


def _raise_refusal(decision: Decision) -> None:
    """Raises AccessDenied, unless it is allowed."""
    if not decision.allowed:
        is_mfa = decision.reason.code is Code.MFA_REQUIRED
        raise (MfaRequired if is_mfa else AccessDenied)(decision.message_for_user())


def _not_found(request: DialRequest) -> str:
    what = f"{request.target[:_MAX_TEXT]!r}" if request.target else "server with these labels"
    return f"{generic_refusal(request.kind)} There is no {what} that you may reach."


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_lower_form(target: str, hostname: str) -> bool:
    """Small letters fit capital ones, as host certificates name both; a capital letter fits itself alone."""
    return (
        target.isascii()
        and len(target) == len(hostname)
        and all(asked in (there, there.lower()) for asked, there in zip(target, hostname, strict=True))
    )


def _host_of(node: Node) -> str:
    return node.spec.addr.rpartition(":")[0].strip("[]")


def _last_heard(node: Node) -> float:
    """A heartbeat moves the expiry: the latest expires last."""
    return node.metadata.expires.timestamp() if node.metadata.expires else 0.0
