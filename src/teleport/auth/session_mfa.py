"""Whether a session needs a second factor first: asked by clients, so that they can prove one before they connect.

Proxies and agents decide for themselves. This answer saves a person a refusal, and grants nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from teleport.api.routes.mfa import MfaAnswer, MfaQuestion
from teleport.auth.admin_actions import AdminActions
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.foundation.errors import BadParameter
from teleport.model.resources.node import Node
from teleport.policy.access import AccessState, can_access, visible
from teleport.policy.decision import Code
from teleport.storage.replica import Replica


class SessionMfa:
    """Answers for servers by name, id, address or labels."""

    def __init__(self, cluster: Cluster, nodes: Replica, admin_actions: AdminActions) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._admin_actions = admin_actions

    async def required(self, caller: Caller, request: MfaQuestion) -> MfaAnswer:
        """What the caller may not see needs nothing: the connection itself will be refused."""
        caller.person()
        match request.kind:
            case "admin_action":
                return MfaAnswer(required=await self._admin_actions.are_guarded(caller))
            case "node":
                return MfaAnswer(required=await self._for_nodes(caller, request))
            case other:
                raise BadParameter(f"kind {other!r}: expected node or admin_action")

    async def _for_nodes(self, caller: Caller, request: MfaQuestion) -> bool:
        role_set = caller.role_set
        assert role_set is not None
        state = AccessState.of(
            caller.person(),
            await self._cluster.preference(),
            source_ip=caller.address,
            now=self._cluster.clock.now(),
        )
        values = {"logins": request.login} if request.login else None
        decisions = (
            can_access(role_set, "node", node, state, values)
            for node in self._meant(request)
            if visible(role_set, node)
        )
        return any(decision.reason.code is Code.MFA_REQUIRED for decision in decisions)

    def _meant(self, request: MfaQuestion) -> Sequence[Node]:
        if not request.target:
            wanted = request.labels.items()
            return [node for node in self._nodes.list(Node) if wanted <= node.labels.items()]
        exact = self._nodes.find(Node, request.target)
        if exact is not None:
            return [exact]
        named = self._nodes.lookup(Node, "hostname", request.target)
        return named or [node for node in self._nodes.list(Node) if node.spec.addr.startswith(f"{request.target}:")]
