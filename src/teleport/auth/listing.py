"""Lists of resources as one caller sees them: filtered, sorted, in pages.

Nodes come from a copy in memory that follows the store, so that ten thousand of them cost no reading and decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from teleport.api.routes.resources import ListResources, ResourcePage
from teleport.auth.admin_actions import AdminActions
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.showing import encoded
from teleport.foundation.errors import BadParameter
from teleport.model.kinds import Kind, kind_named
from teleport.model.resource import Resource
from teleport.model.resources.node import Node
from teleport.policy import access, actions
from teleport.policy.actions import ActionContext
from teleport.policy.filters import ResourceFilter
from teleport.policy.role_set import SELECTORS
from teleport.storage.replica import Replica

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000
_BREAK = "\x1f"

SortKey = Callable[[Resource], tuple[str, str]]


def known_kind(text: str) -> Kind:
    """A kind that may be named on the API. Raises BadParameter; secret halves are not named at all."""
    kind = kind_named(text)
    if kind.secret or not kind.listable:
        raise BadParameter(f"kind {kind.name!r} is kept by the system and not shown")
    return kind


def read_verb(kind: Kind) -> str:
    """What it takes to see one: the public half of an authority is less than all of it."""
    return "readnosecrets" if kind.name == "cert_authority" else "read"


class Listing:
    """Answers lists."""

    def __init__(self, cluster: Cluster, guard: Guard, nodes: Replica, admin_actions: AdminActions) -> None:
        self._cluster = cluster
        self._guard = guard
        self._nodes = nodes
        self._admin_actions = admin_actions

    async def page(self, caller: Caller, request: ListResources) -> ResourcePage:
        """Raises AccessDenied, BadParameter."""
        kind = known_kind(request.kind)
        limit = request.limit or DEFAULT_LIMIT
        if not 0 < limit <= MAX_LIMIT:
            raise BadParameter(f"limit is {limit}, expected 1 to {MAX_LIMIT}")
        wanted = ResourceFilter(request.query, request.search, request.labels)
        key, is_descending = _sorting(request.sort)
        visible = await self.visible(caller, kind)
        found = [one for one in visible if wanted.is_empty or wanted.matches(one)]
        if request.sort:
            found.sort(key=key, reverse=is_descending)
        first = _position(found, request.start, key, is_descending)
        page, rest = found[first : first + limit], found[first + limit : first + limit + 1]
        shows_secrets = request.with_secrets
        if shows_secrets:
            await self._guard.enforce(caller, self._guard.may_list(caller, "read", kind.name))
            await self._admin_actions.require(caller, in_series=True)
        return ResourcePage(
            items=tuple(encoded(one, with_secrets=shows_secrets) for one in page),
            next_start=_BREAK.join(key(rest[0])) if rest else "",
            total=len(found),
            logins=_logins(caller, page) if request.with_logins else (),
        )

    async def visible(self, caller: Caller, kind: Kind) -> list[Resource]:
        """All of a kind that the caller may see, by name. Raises AccessDenied when there can be none."""
        verbs = ("list", read_verb(kind))
        for verb in verbs:
            await self._guard.enforce(caller, self._guard.may_list(caller, verb, kind.name))
        found = await self._all(kind)
        if self._is_conditional(caller, kind):
            found = [
                one
                for one in found
                if all(self._guard.allows(caller, verb, kind.name, ActionContext(resource=one)) for verb in verbs)
            ]
        if caller.role_set is not None and kind.name in SELECTORS:
            found = list(access.visible_of(caller.role_set, found))
        return found

    async def _all(self, kind: Kind) -> list[Resource]:
        if kind.name == Node.KIND and self._nodes.ready.is_set():
            return list[Resource](self._nodes.list(Node))
        return [one async for one in self._cluster.store.iterate(kind.type)]

    def _is_conditional(self, caller: Caller, kind: Kind) -> bool:
        if caller.role_set is not None:
            return any(actions.is_conditional(caller.role_set, verb, kind.name) for verb in ("list", read_verb(kind)))
        return not self._guard.allows(caller, read_verb(kind), kind.name)


def _logins(caller: Caller, nodes: Iterable[Resource]) -> tuple[tuple[str, ...], ...]:
    role_set = caller.role_set
    if role_set is None:
        return ()
    return tuple(tuple(access.logins_for(role_set, one)) if isinstance(one, Node) else () for one in nodes)


def _sorting(text: str) -> tuple[SortKey, bool]:
    field, _, direction = text.partition(":")
    if direction not in ("", "asc", "desc"):
        raise BadParameter(f"sort {text!r}: expected a field, with :asc or :desc at choice")
    match field:
        case "" | "name":
            return (lambda one: (one.key, one.key)), direction == "desc"
        case "hostname":
            return (lambda one: (getattr(one, "hostname", "") or one.name, one.key)), direction == "desc"
        case _:
            raise BadParameter(f"sort {text!r}: lists are sorted by name or hostname")


def _position(found: list[Resource], start: str, key: SortKey, is_descending: bool) -> int:
    """Where the page begins: at the first resource that is not before `start`, also when that one is gone."""
    if not start:
        return 0
    value, _, name = start.partition(_BREAK)
    wanted = (value, name or value)
    for position, one in enumerate(found):
        reached = key(one) <= wanted if is_descending else key(one) >= wanted
        if reached:
            return position
    return len(found)
