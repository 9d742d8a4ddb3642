"""Roles of a root cluster in a leaf: literals, globs, expressions with captures; traits as they were granted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter
from teleport.model.identity import Identity
from teleport.model.resources.cert_authority import RoleMapping
from teleport.model.resources.trusted_cluster import TrustedCluster, TrustedClusterSpec
from teleport.policy.decision import Code
from teleport.policy.role_mapping import check, local_identity, map_roles, rows_of


def rows(*pairs: tuple[str, list[str]]) -> list[RoleMapping]:
    return [RoleMapping(remote=remote, local=local) for remote, local in pairs]


@pytest.mark.parametrize(
    ("mapping", "remote", "expected"),
    [
        ([("admin", ["local-admin"])], ["admin"], ("local-admin",)),
        ([("admin", ["local-admin"])], ["Admin"], ()),
        ([("admin", ["local-admin"])], ["admins"], ()),
        ([("*", ["guest"])], ["anything", "else"], ("guest",)),
        # every row that matches counts, each role once
        ([("admin", ["a", "b"]), ("*", ["b", "c"])], ["admin"], ("a", "b", "c")),
        ([("dev-*", ["local"])], ["dev-eu"], ("local",)),
        ([("dev-*", ["local"])], ["my-dev-eu"], ()),
        ([("dev-*", ["local-$1"])], ["dev-eu", "dev-us"], ("local-eu", "local-us")),
        ([("*-dev-*", ["$2-$1"])], ["eu-dev-web"], ("web-eu",)),
        ([("^remote-(.*)$", ["local-$1"])], ["remote-ops"], ("local-ops",)),
        ([("^remote-(.*)$", ["local-$1"])], ["my-remote-ops"], ()),
        ([("^(dev|ops)$", ["$1", "all"])], ["ops"], ("ops", "all")),
        # other marks of a glob stand for themselves
        ([("dev.eu?", ["x"])], ["dev.eu?"], ("x",)),
        ([("dev.*", ["x"])], ["devXeu"], ()),
        ([("^($", ["x"]), ("*", ["y"])], ["dev"], ("y",)),
        ([], ["admin"], ()),
        ([("*", ["guest"])], [], ()),
    ],
)
def test_rows(mapping: list[tuple[str, list[str]]], remote: list[str], expected: tuple[str, ...]) -> None:
    assert map_roles(rows(*mapping), remote) == expected


def test_a_row_that_cannot_be_read_is_refused_when_written() -> None:
    check(rows(("*", ["a"])))
    with pytest.raises(BadParameter, match=r"role_map\[1\]\.remote"):
        check(rows(("*", ["a"]), ("^($", ["b"])))


def test_older_trust_maps_everybody() -> None:
    trusted = TrustedCluster(spec=TrustedClusterSpec(roles=["guest"], web_proxy_addr="x:443"))
    assert map_roles(rows_of(trusted), ["whatever"]) == ("guest",)


def identity(*roles: str) -> Identity:
    return Identity(
        username="alice",
        cluster="root",
        expires=datetime(2030, 1, 1, tzinfo=UTC),
        roles=roles,
        traits={"team": ("blue",), "logins": ("own",)},
        logins=("own", "granted", "-teleport-internal-join"),
        kubernetes_groups=("dev",),
    )


def test_traits_travel_and_logins_are_all_that_were_granted() -> None:
    local, decision = local_identity(identity("admin"), rows(("admin", ["ops"])), "leaf")
    assert decision.allowed
    assert (local.roles, local.cluster) == (("ops",), "root")
    assert local.traits == {"team": ("blue",), "logins": ("own", "granted"), "kubernetes_groups": ("dev",)}


def test_who_is_mapped_to_nothing_has_no_access() -> None:
    local, decision = local_identity(identity("guest"), rows(("admin", ["ops"])), "leaf")
    assert (local.roles, decision.allowed, decision.reason.code) == ((), False, Code.ROLES_NOT_MAPPED)
    assert decision.message_for_user() == (
        'access to cluster "leaf" denied: none of your roles ("guest") is mapped to a role there.'
    )


@given(
    st.lists(st.sampled_from(["a", "b", "c-1"]), max_size=3), st.lists(st.sampled_from(["a", "*", "c-*"]), max_size=3)
)
def test_more_rows_and_more_roles_never_map_to_less(remote: list[str], patterns: list[str]) -> None:
    mapping = rows(*((pattern, [f"{pattern}-local"]) for pattern in patterns))
    found = set(map_roles(mapping, remote))
    assert found <= set(map_roles([*mapping, *rows(("b", ["extra"]))], remote))
    assert found <= set(map_roles(mapping, [*remote, "b"]))
