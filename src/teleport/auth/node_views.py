"""Which nodes each set of roles may see, sorted, ready to be cut into pages.

Ten thousand nodes tell that they live every minute. A view is therefore not made anew at each list: it takes up what
has changed since it was last asked, one node at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from teleport.auth.showing import encoded
from teleport.model.resources.node import Node
from teleport.policy import access
from teleport.policy.role_set import RoleSet
from teleport.storage.replica import Replica

SortKey = tuple[str, str]
MAX_VIEWS = 128
MAX_PLACES = 200_000
"""In all views together; about 150 bytes each. The one that was asked for last stays in any case."""


class NodeView:
    """Of one set of roles (None: all nodes), in one order. Good until the next change of the replica."""

    def __init__(self, replica: Replica, role_set: RoleSet | None, *, by_hostname: bool) -> None:
        self.role_set = role_set
        self._replica = replica
        self._by_hostname = by_hostname
        self._mark = -1
        self._order: list[SortKey] = []
        self._keys: dict[str, SortKey] = {}

    def __len__(self) -> int:
        return len(self._order)

    def catch_up(self) -> None:
        """Take up what changed."""
        mark, names = self._replica.changed_since(Node, self._mark)
        if names is None:
            self._make()
        else:
            for name in names:
                self._place(name)
        self._mark = mark

    def nodes(self, positions: Iterable[int]) -> Iterator[Node]:
        for position in positions:
            yield self._replica.get(Node, self._order[position][1])

    def key_at(self, position: int) -> SortKey:
        return self._order[position]

    def position_of(self, key: SortKey, *, is_descending: bool = False) -> int:
        """Of the first one that is not before `key`, whether or not that one is still there."""
        if is_descending:
            return len(self._order) - bisect_right(self._order, key)
        return bisect_left(self._order, key)

    def _make(self) -> None:
        nodes: Sequence[Node] = self._replica.list(Node)
        seen = nodes if self.role_set is None else access.visible_of(self.role_set, nodes)
        self._keys = {node.key: self._key(node) for node in seen}
        self._order = sorted(self._keys.values())

    def _place(self, name: str) -> None:
        node = self._replica.find(Node, name)
        is_seen = node is not None and (self.role_set is None or access.visible(self.role_set, node))
        new, old = self._key(node) if node is not None and is_seen else None, self._keys.get(name)
        if new == old:
            return
        if old is not None:
            del self._order[bisect_left(self._order, old)]
            del self._keys[name]
        if new is not None:
            insort(self._order, new)
            self._keys[name] = new

    def _key(self, node: Node) -> SortKey:
        return ((node.hostname or node.name) if self._by_hostname else node.key, node.key)


class NodeViews:
    """The views that were asked for lately, and the nodes' JSON."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._kept: OrderedDict[tuple[int, bool], NodeView] = OrderedDict()
        self._texts: dict[str, tuple[Node, msgspec.Raw]] = {}

    @property
    def is_ready(self) -> bool:
        return self._replica.ready.is_set()

    def of(self, role_set: RoleSet | None, *, by_hostname: bool) -> NodeView:
        """As things are now."""
        key = (id(role_set), by_hostname)  # a view holds its set of roles, so that no other one gets its id
        view = self._kept.pop(key, None) or NodeView(self._replica, role_set, by_hostname=by_hostname)
        view.catch_up()
        self._kept[key] = view
        places = sum(map(len, self._kept.values()))
        while len(self._kept) > 1 and (len(self._kept) > MAX_VIEWS or places > MAX_PLACES):
            _, oldest = self._kept.popitem(last=False)
            places -= len(oldest)
        return view

    def encoded(self, node: Node) -> msgspec.Raw:
        kept = self._texts.get(node.key)
        if kept is not None and kept[0] is node:
            return kept[1]
        text = encoded(node, with_secrets=False)
        if len(self._texts) > 2 * self._replica.count(Node) + 1000:
            self._texts.clear()  # of nodes that are gone
        self._texts[node.key] = (node, text)
        return text
