"""Laws that hold for all roles: more deny never grants, more allow never revokes, order never matters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from roles import node, role, role_set

from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.policy.access import AccessState, can_access_node, logins_for, visible
from teleport.policy.actions import may
from teleport.policy.options import MergedOptions

LOGINS = ["root", "alice", "ubuntu"]
VALUES = ["dev", "prod", "*", "pr*", "^(dev|prod)$", "{{external.team}}"]
EXPRESSIONS = ["", 'labels.env == "prod"', 'contains(user.spec.traits["team"], labels.team)', 'labels.env != "dev"']
STATE = AccessState(locks_age=timedelta())

selectors = st.one_of(
    st.just({"*": ["*"]}),
    st.dictionaries(
        st.sampled_from(["env", "team"]), st.lists(st.sampled_from(VALUES), min_size=1, max_size=2), max_size=2
    ),
)
rules = st.lists(
    st.fixed_dictionaries(
        {
            "resources": st.lists(st.sampled_from(["role", "user", "*"]), min_size=1, max_size=2, unique=True),
            "verbs": st.lists(st.sampled_from(["read", "list", "update"]), min_size=1, max_size=2, unique=True),
        },
        optional={"where": st.sampled_from(["true", "false", 'contains(user.spec.traits["team"], "dev")'])},
    ),
    max_size=2,
)
sections = st.fixed_dictionaries(
    {},
    optional={
        "logins": st.lists(st.sampled_from(LOGINS), max_size=2),
        "node_labels": selectors,
        "node_labels_expression": st.sampled_from(EXPRESSIONS),
        "rules": rules,
    },
)
options = st.fixed_dictionaries(
    {},
    optional={
        "forward_agent": st.booleans(),
        "ssh_file_copy": st.booleans(),
        "port_forwarding": st.booleans(),
        "max_sessions": st.integers(0, 3),
        "client_idle_timeout": st.sampled_from(["0s", "1h", "2h"]),
        "max_session_ttl": st.sampled_from(["1h", "8h", "0s"]),
        "lock": st.sampled_from(["strict", "best_effort"]),
        "record_session": st.sampled_from([{"ssh": "strict"}, {"desktop": False}]),
    },
)
versions = st.sampled_from(["v3", "v5", "v7"])
nodes = st.dictionaries(st.sampled_from(["env", "team"]), st.sampled_from(["dev", "prod"])).map(
    lambda all_: node(**all_)
)
traits = st.dictionaries(st.just("team"), st.lists(st.sampled_from(["dev", "prod"]), max_size=2))


@st.composite
def roles_of(draw: st.DrawFn, plain: bool = True) -> list[Role]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        parts = {"allow": draw(sections), "deny": draw(sections) if draw(st.booleans()) else {}}
        made.append(role(f"r{number}", version=draw(versions), options={} if plain else draw(options), **parts))
    return made


def answers(roles: list[Role], target: Node, given_traits: dict[str, list[str]]) -> dict[str, bool]:
    made = role_set(*roles, **given_traits)
    found = {f"ssh {login}": can_access_node(made, target, login, STATE).allowed for login in LOGINS}
    found["visible"] = visible(made, target)
    found |= {
        f"{verb} {kind}": may(made, verb, kind).allowed for verb in ("read", "update") for kind in ("role", "user")
    }
    assert {login for login in LOGINS if found[f"ssh {login}"]} == set(logins_for(made, target))
    return found


@given(roles_of(), sections, nodes, traits)
@settings(deadline=None)
def test_adding_a_deny_never_grants(
    roles: list[Role], deny: dict[str, Any], target: Node, given_traits: dict[str, list[str]]
) -> None:
    before = answers(roles, target, given_traits)
    after = answers([*roles, role("extra", deny=deny)], target, given_traits)
    assert not [what for what, allowed in after.items() if allowed and not before[what]]


@given(roles_of(), sections, versions, nodes, traits)
@settings(deadline=None)
def test_adding_an_allow_never_revokes(
    roles: list[Role], allow: dict[str, Any], version: str, target: Node, given_traits: dict[str, list[str]]
) -> None:
    before = answers(roles, target, given_traits)
    after = answers([*roles, role("extra", allow=allow, version=version)], target, given_traits)
    assert not [what for what, allowed in before.items() if allowed and not after[what]]


@given(roles_of(plain=False), st.randoms(use_true_random=False), nodes, traits)
@settings(deadline=None)
def test_order_never_matters(
    roles: list[Role], random: Any, target: Node, given_traits: dict[str, list[str]]
) -> None:
    shuffled = list(roles)
    random.shuffle(shuffled)
    assert answers(roles, target, given_traits) == answers(shuffled, target, given_traits)
    one, other = role_set(*roles, **given_traits), role_set(*shuffled, **given_traits)
    assert one.options == other.options
    for login in LOGINS:
        told = [can_access_node(made, target, login, STATE).message_for_administrator() for made in (one, other)]
        assert told[0] == told[1]


@given(roles_of(plain=False), options)
@settings(deadline=None)
def test_a_role_of_limits_alone_only_limits(roles: list[Role], more: dict[str, Any]) -> None:
    """The options that bound a session get tighter with every role."""
    before: MergedOptions = role_set(role("base"), *roles).options
    after: MergedOptions = role_set(role("base"), *roles, role("extra", options=more)).options
    assert after.max_session_ttl <= before.max_session_ttl
    assert after.ssh_file_copy <= before.ssh_file_copy
    assert not before.max_sessions or 0 < after.max_sessions <= before.max_sessions
    assert not before.client_idle_timeout or after.client_idle_timeout <= before.client_idle_timeout
    assert (before.lock, after.lock) != ("strict", "best_effort")
