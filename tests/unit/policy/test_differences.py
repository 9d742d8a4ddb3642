"""What a change of roles does to people: gains, losses, options; and nothing where nothing changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from roles import ANYTHING, node, role

from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.model.resources.role import Role
from teleport.policy.differences import Change, UserChange, compare
from teleport.policy.world import World

NOW = datetime(2030, 1, 4, 12, tzinfo=UTC)


def user(name: str, *roles: str, **traits: list[str]) -> Resource:
    return decode_document(
        {
            "kind": "user",
            "version": "v2",
            "metadata": {"name": name},
            "spec": {"roles": list(roles), "traits": traits},
        }
    )


def database() -> Resource:
    spec = {"protocol": "postgres", "uri": "x:1"}
    return decode_document({"kind": "db", "version": "v3", "metadata": {"name": "main"}, "spec": spec})


def diff(before: list[Resource], *after: Role) -> list[UserChange]:
    return list(compare(World(before, with_presets=False), after, NOW))


DEV = {"logins": ["dev"], "node_labels": {"env": "dev"}}
NODES = [node("web1", env="dev"), node("web2", env="dev"), node("db1", env="prod")]


def test_gains_and_losses_by_resource() -> None:
    world = [role(allow=DEV), user("alice", "dev"), user("bob"), *NODES]
    (change,) = diff(world, role(allow={"logins": ["root"], "node_labels": {"env": ["dev", "prod"]}}))
    assert change.user == "alice"
    assert change.gained == (
        Change(what="log in as root", kind="node", resources=("db1", "web1", "web2")),
        Change(what="see", kind="node", resources=("db1",)),
    )
    assert change.lost == (Change(what="log in as dev", kind="node", resources=("web1", "web2")),)


def test_nothing_changes() -> None:
    world = [role(allow=DEV), user("alice", "dev"), *NODES]
    assert diff(world, role(allow=DEV)) == []
    assert diff(world, role("new", allow={"logins": ["root"], "node_labels": ANYTHING})) == []


def test_another_role_keeps_what_one_loses() -> None:
    world = [role("a", allow=DEV), role("b", allow=DEV), user("alice", "a", "b"), *NODES]
    assert diff(world, role("a")) == []


def test_a_deny_takes_from_all_roles() -> None:
    world = [role("a", allow=DEV), role("b"), user("alice", "a", "b"), *NODES]
    (change,) = diff(world, role("b", deny={"node_labels": {"env": "dev"}}))
    assert change.lost == (
        Change(what="log in as dev", kind="node", resources=("web1", "web2")),
        Change(what="see", kind="node", resources=("web1", "web2")),
    )


def test_rules_and_options() -> None:
    world = [role(allow=DEV), user("alice", "dev")]
    after = role(
        allow=DEV | {"rules": [{"resources": ["token"], "verbs": ["create"]}]},
        options={"max_session_ttl": "1h", "forward_agent": True, "require_session_mfa": True},
    )
    (change,) = diff(world, after)
    assert change.gained == (Change(what="create", kind="token"),)
    told = {one.option: (one.before, one.after) for one in change.options}
    assert told["max_session_ttl"] == ("30h0m0s", "1h0m0s")
    assert told["forward_agent"] == ("false", "true")
    assert told["require_session_mfa"] == ("false", "true")


def test_databases_are_told_by_user_and_name() -> None:
    before = {"db_labels": ANYTHING, "db_users": ["a"], "db_names": ["shop"]}
    (change,) = diff([role(allow=before), user("alice", "dev"), database()], role(allow=before | {"db_users": ["*"]}))
    assert [one.what for one in change.gained] == ["connect as anyone"]
    assert [one.what for one in change.lost] == ["connect as a"]


def test_roles_of_access_lists_count() -> None:
    members = [
        decode_document(
            {
                "kind": "access_list",
                "version": "v1",
                "metadata": {"name": "l"},
                "spec": {"title": "l", "owners": [{"name": "boss"}], "grants": {"roles": ["dev"]}},
            }
        ),
        decode_document(
            {
                "kind": "access_list_member",
                "version": "v1",
                "metadata": {"name": "alice"},
                "spec": {"access_list": "l", "name": "alice"},
            }
        ),
    ]
    changes = diff([role(allow=DEV), user("alice"), *members, *NODES], role())
    assert [one.user for one in changes] == ["alice"]


def test_a_user_of_a_missing_role_is_told() -> None:
    (change,) = diff([role(allow=DEV), user("alice", "dev", "gone")], role())
    assert change.problem == "there is no role 'gone'"


sections = st.fixed_dictionaries(
    {},
    optional={
        "logins": st.lists(st.sampled_from(["root", "dev"]), max_size=2),
        "node_labels": st.dictionaries(st.just("env"), st.sampled_from(["dev", "prod", "*"]), max_size=1),
    },
)


@given(sections, sections, sections)
@settings(deadline=None)
def test_there_and_back_swaps_gains_and_losses(one: Any, other: Any, deny: Any) -> None:
    a, b = role(allow=one), role(allow=other, deny=deny)
    there = diff([a, user("alice", "dev"), *NODES], b)
    back = diff([b, user("alice", "dev"), *NODES], a)
    assert [(c.gained, c.lost) for c in there] == [(c.lost, c.gained) for c in back]
