"""Asks policy and turns a denial into an error: here a decision becomes AccessDenied, with its event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.foundation.errors import AccessDenied
from teleport.model.events.user import AuthFailed
from teleport.model.resource import Resource
from teleport.policy import actions, system_roles
from teleport.policy.actions import NOTHING, ActionContext
from teleport.policy.decision import Decision


class Guard:
    """People are judged by the rules of their roles, hosts by their duties."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def decide(self, caller: Caller, verb: str, kind: str, context: ActionContext = NOTHING) -> Decision:
        """Raises NotAuthenticated for a stranger."""
        identity = caller.known()
        if identity.is_host:
            return system_roles.may(identity, verb, kind, context)
        assert caller.role_set is not None
        return actions.may(caller.role_set, verb, kind, context)

    def allows(self, caller: Caller, verb: str, kind: str, context: ActionContext = NOTHING) -> bool:
        return self.decide(caller, verb, kind, context).allowed

    def may_list(self, caller: Caller, verb: str, kind: str) -> Decision:
        """Whether a list may hold anything: rules with a condition count as met until each item is asked."""
        identity = caller.known()
        if identity.is_host:
            return system_roles.may(identity, verb, kind, ActionContext(host_id=identity.host_id))
        assert caller.role_set is not None
        return actions.may_any(caller.role_set, verb, kind)

    async def require(
        self,
        caller: Caller,
        verb: str,
        kind: str,
        *,
        resource: Resource | None = None,
        name: str = "",
        host_id: str = "",
        session: Mapping[str, object] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        """Raises AccessDenied with the reason and the id of the event. `name` is told in the event only."""
        context = ActionContext(resource=resource, host_id=host_id, session=session, host_cert=fields)
        named = name or (resource.display_name if resource else "")
        await self.enforce(caller, self.decide(caller, verb, kind, context), named)

    async def enforce(self, caller: Caller, decision: Decision, name: str = "") -> None:
        """Raises AccessDenied for a denial."""
        if not decision.allowed:
            about = f" ({name})" if name else ""
            await self.refuse(caller, decision.message_for_user(), decision.message_for_administrator() + about)

    async def refuse(self, caller: Caller, message: str, detail: str = "") -> NoReturn:
        """Record the refusal and raise it. `detail` is for the audit log alone."""
        event = AuthFailed(success=False, error=detail or message, **caller.event_fields())
        raise AccessDenied(message, event_id=await self._cluster.journal.record(event))
