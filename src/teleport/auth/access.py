"""Tells people why they may reach a resource or may not, and nothing of what they may not know.

What is hidden and what is not there get the same answer: that of a resource without labels by that name.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.api.routes.access import AccessExplained, ExplainAccess
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.foundation.errors import BadParameter
from teleport.model.kinds import Kind, kind_named
from teleport.model.resource import Resource
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node
from teleport.policy.access import AccessState, can_access, logins_for, visible
from teleport.policy.case_answers import login_values
from teleport.policy.decision import Decision
from teleport.policy.desktops import desktop_logins
from teleport.policy.matching import FIELDS
from teleport.policy.role_set import SELECTORS, RoleSet
from teleport.policy.sentences import generic_refusal
from teleport.storage.replica import Replica

MAX_VALUES = 16


class AccessAnswers:
    """Decides as a proxy would, from the caller's own certificate and address."""

    def __init__(self, cluster: Cluster, nodes: Replica) -> None:
        self._cluster = cluster
        self._nodes = nodes

    async def explain(self, caller: Caller, request: ExplainAccess) -> AccessExplained:
        """Raises AccessDenied for hosts, BadParameter for what cannot be asked."""
        caller.person()
        role_set = caller.role_set
        assert role_set is not None
        kind = _kind(request)
        values = _values(kind.name, request)
        state = await self._state(caller)
        for one in await self._called(kind, request.name):
            # what another hour opens is known to the caller then, so the hours may be told
            if visible(role_set, one) or (role_set.is_scheduled and visible(role_set.without_hours, one)):
                decision = can_access(role_set, kind.name, one, state, values)
                return _told(decision, request, _logins(role_set, one))
        return _hidden(role_set, kind.name, request, state, values)

    async def _state(self, caller: Caller) -> AccessState:
        now = self._cluster.clock.now()
        return AccessState.of(
            caller.person(),
            await self._cluster.preference(),
            source_ip=caller.address,
            now=now,
            locks=[lock async for lock in self._cluster.store.iterate(Lock)],
            locks_age=timedelta(),
        )

    async def _called(self, kind: Kind, name: str) -> list[Resource]:
        if kind.name == Node.KIND and self._nodes.ready.is_set():
            exact = self._nodes.find(Node, name)
            return [exact] if exact is not None else list[Resource](self._nodes.lookup(Node, "hostname", name))
        return [one async for one in self._cluster.store.iterate(kind.type) if name in (one.name, one.key)]


def _kind(request: ExplainAccess) -> Kind:
    kind = kind_named(request.kind)
    if kind.name not in SELECTORS:
        known = ", ".join(sorted(SELECTORS))
        raise BadParameter(f"kind {kind.name!r}: expected one that is reached: {known}")
    if not request.name:
        raise BadParameter("name is missing: which one?")
    return kind


def _values(kind: str, request: ExplainAccess) -> dict[str, str]:
    if len(request.values) > MAX_VALUES:
        raise BadParameter(f"{len(request.values)} values, at most {MAX_VALUES} can be asked")
    for name in request.values:
        if name not in FIELDS:
            raise BadParameter(f"values: {name[:80]!r} is not one of {', '.join(FIELDS)}")
    return login_values(kind, request.login) | request.values


def _told(decision: Decision, request: ExplainAccess, logins: tuple[str, ...]) -> AccessExplained:
    return AccessExplained(
        allowed=decision.allowed,
        message=decision.message_for_user(request.language),
        roles=decision.roles,
        logins=() if decision.allowed else logins,
    )


def _hidden(
    role_set: RoleSet, kind: str, request: ExplainAccess, state: AccessState, values: dict[str, str]
) -> AccessExplained:
    """What speaks of the caller alone (a factor, an address, a lock on the person) is told here too."""
    stand_in = _StandIn(kind=kind)
    stand_in.metadata.name = request.name
    decision = can_access(role_set, kind, stand_in, state, values)
    message = generic_refusal(kind, "", request.language)
    if not decision.allowed:
        message = msgspec.structs.replace(decision, is_visible=False, notes=()).message_for_user(request.language)
    return AccessExplained(allowed=False, message=message)


class _StandIn(Resource):
    """A thing of any kind without labels."""


def _logins(role_set: RoleSet, resource: Resource) -> tuple[str, ...]:
    if isinstance(resource, Node):
        return tuple(logins_for(role_set, resource))
    return tuple(desktop_logins(role_set, resource)) if resource.kind == "windows_desktop" else ()
