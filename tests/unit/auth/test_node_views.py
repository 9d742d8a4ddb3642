"""A view of nodes that takes up changes one by one is the same as one that is made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roles import node, role, role_set

from teleport.auth import node_views
from teleport.auth.node_views import NodeView, NodeViews
from teleport.foundation.clock import SystemClock
from teleport.model.resources.node import Node
from teleport.policy import access
from teleport.storage.feed import Change, Message, Snapshot
from teleport.storage.replica import Replica

ROLES = role_set(role(allow={"logins": ["root"], "node_labels": {"env": "dev"}}))
NAMES = [f"{number:08}-0000-4000-8000-000000000000" for number in range(6)]


@dataclass
class Told:
    """A replica that is told things at once."""

    revision: int = 1
    replica: Replica = field(init=False)

    def __post_init__(self) -> None:
        async def source() -> AsyncIterator[Message]:
            return
            yield

        self.replica = Replica(("node",), source, SystemClock())
        self.replica._take(Snapshot(1, ()))

    def put(self, name: str, hostname: str, env: str) -> None:
        self.revision += 1
        made = node(hostname, env=env)
        made.metadata.name = name
        self.replica._take(Change(self.revision, "node", name, "put", made))

    def delete(self, name: str) -> None:
        self.revision += 1
        self.replica._take(Change(self.revision, "node", name, "delete"))


def names(view: NodeView) -> list[str]:
    return [one.name for one in view.nodes(range(len(view)))]


def expected(told: Told, by_hostname: bool) -> list[str]:
    seen = access.visible_of(ROLES, told.replica.list(Node))
    return [one.name for one in sorted(seen, key=lambda one: (one.hostname if by_hostname else one.name, one.name))]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "delete", "look"]),
        st.sampled_from(NAMES),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["dev", "prod"]),
    ),
    max_size=40,
)


@given(steps=STEPS, by_hostname=st.booleans())
def test_a_view_follows_every_change(steps: list[tuple[str, str, str, str]], by_hostname: bool) -> None:
    told = Told()
    views = NodeViews(told.replica)
    for what, name, hostname, env in [*steps, ("look", "", "", "")]:
        if what == "put":
            told.put(name, hostname, env)
        elif what == "delete":
            told.delete(name)
        else:
            assert names(views.of(ROLES, by_hostname=by_hostname)) == expected(told, by_hostname)


def test_after_more_changes_than_are_remembered_it_is_made_anew() -> None:
    told = Told()
    views = NodeViews(told.replica)
    told.put(NAMES[0], "a", "dev")
    assert names(views.of(ROLES, by_hostname=True)) == [NAMES[0]]
    told.delete(NAMES[0])
    for number in range(9000):
        told.put(NAMES[1], f"h{number}", "dev")
    assert names(views.of(ROLES, by_hostname=True)) == [NAMES[1]]


def test_views_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_views, "MAX_PLACES", 10)
    told = Told()
    views = NodeViews(told.replica)
    for name in NAMES:
        told.put(name, "a", "dev")
    for _ in range(3):
        other = role_set(role(allow={"logins": ["root"], "node_labels": {"*": "*"}}))
        assert len(views.of(other, by_hostname=True)) == len(NAMES)
    assert len(views._kept) == 1


def test_the_text_of_a_node_is_of_the_node_as_it_is() -> None:
    told = Told()
    views = NodeViews(told.replica)
    told.put(NAMES[0], "before", "dev")
    assert b"before" in bytes(views.encoded(told.replica.get(Node, NAMES[0])))
    told.put(NAMES[0], "after", "dev")
    assert b"after" in bytes(views.encoded(told.replica.get(Node, NAMES[0])))
