"""Lists of resources as one caller sees them: filtered, sorted, in pages.

Nodes come from a copy in memory that follows the store, so that ten thousand of them cost no reading and decoding.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from teleport.api.routes.resources import ListResources, ResourcePage
from teleport.auth.admin_actions import AdminActions
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.node_views import NodeViews
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
        self._views = NodeViews(nodes)
        self._admin_actions = admin_actions

    async def page(self, caller: Caller, request: ListResources) -> ResourcePage:
        """Raises AccessDenied, BadParameter."""
        kind = known_kind(request.kind)
        limit = request.limit or DEFAULT_LIMIT
        if not 0 < limit <= MAX_LIMIT:
            raise BadParameter(f"limit is {limit}, expected 1 to {MAX_LIMIT}")
        wanted = ResourceFilter(request.query, request.search, request.labels)
        key, is_descending = _sorting(request.sort)
        if kind.name == Node.KIND and self._views.is_ready and not request.with_secrets:
            return await self._page_of_nodes(caller, request, limit, wanted, is_descending)
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

    async def _page_of_nodes(
        self, caller: Caller, request: ListResources, limit: int, wanted: ResourceFilter, is_descending: bool
    ) -> ResourcePage:
        """From a view that is kept: the first hundred of ten thousand cost no more than a hundred."""
        is_conditional = await self._check_may_list(caller, kind_named(Node.KIND))
        view = self._views.of(caller.role_set, by_hostname=request.sort.partition(":")[0] == "hostname")
        everything = range(len(view))[::-1] if is_descending else range(len(view))
        if wanted.is_empty and not is_conditional:
            found: Sequence[int] = everything
        else:
            verbs = _verbs(kind_named(Node.KIND)) if is_conditional else ()
            found = [
                position
                for position, node in zip(everything, view.nodes(everything), strict=True)
                if self._may_see(caller, verbs, node) and (wanted.is_empty or wanted.matches(node))
            ]
        first = 0
        if request.start:
            value, _, name = request.start.partition(_BREAK)
            begin = view.position_of((value, name or value), is_descending=is_descending)
            if found is everything:
                first = begin
            else:
                first = bisect_left(found, begin, key=lambda at: len(view) - 1 - at if is_descending else at)
        page, rest = found[first : first + limit], found[first + limit : first + limit + 1]
        nodes = list(view.nodes(page))
        return ResourcePage(
            items=tuple(self._views.encoded(node) for node in nodes),
            next_start=_BREAK.join(view.key_at(rest[0])) if rest else "",
            total=len(found),
            logins=_logins(caller, nodes) if request.with_logins else (),
        )

    async def visible(self, caller: Caller, kind: Kind) -> list[Resource]:
        """All of a kind that the caller may see, by name. Raises AccessDenied when there can be none."""
        is_conditional = await self._check_may_list(caller, kind)
        found = await self._all(kind)
        if is_conditional:
            found = [one for one in found if self._may_see(caller, _verbs(kind), one)]
        if caller.role_set is not None and kind.name in SELECTORS:
            found = list(access.visible_of(caller.role_set, found))
        return found

    async def _check_may_list(self, caller: Caller, kind: Kind) -> bool:
        """Whether it depends on each resource. Raises AccessDenied when there can be none."""
        for verb in _verbs(kind):
            await self._guard.enforce(caller, self._guard.may_list(caller, verb, kind.name))
        return self._is_conditional(caller, kind)

    def _may_see(self, caller: Caller, verbs: Iterable[str], one: Resource) -> bool:
        return all(self._guard.allows(caller, verb, one.kind, ActionContext(resource=one)) for verb in verbs)

    async def _all(self, kind: Kind) -> list[Resource]:
        if kind.name == Node.KIND and self._nodes.ready.is_set():
            return list[Resource](self._nodes.list(Node))
        return [one async for one in self._cluster.store.iterate(kind.type)]

    def _is_conditional(self, caller: Caller, kind: Kind) -> bool:
        if caller.role_set is not None:
            return any(actions.is_conditional(caller.role_set, verb, kind.name) for verb in _verbs(kind))
        return not self._guard.allows(caller, read_verb(kind), kind.name)


def _verbs(kind: Kind) -> tuple[str, str]:
    return ("list", read_verb(kind))


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
