"""What a role gives that its writer does not hold."""

from __future__ import annotations

from typing import Any

import pytest
from roles import ANYTHING, role

from teleport.policy.widening import MOST, beyond

READ = {"resources": ["role"], "verbs": ["read"]}


@pytest.mark.parametrize(
    ("held", "new", "more"),
    [
        ({}, {}, []),
        ({"logins": ["a"]}, {"logins": ["a", "root"]}, ["logins: root"]),
        ({"db_users": ["*"]}, {"db_users": ["x"]}, []),
        ({}, {"node_labels": {"env": "x"}}, ["node_labels"]),
        ({"node_labels": {"env": "x"}}, {"node_labels": {"env": "x"}}, []),
        ({"node_labels": ANYTHING}, {"node_labels": {"env": "x"}}, []),
        ({"node_labels": {"env": "x"}}, {"node_labels_expression": "true"}, ["node_labels"]),
        (
            {"rules": [READ]},
            {"rules": [{"resources": ["role"], "verbs": ["read", "update"]}]},
            ["rules: update role"],
        ),
        ({"rules": [{"resources": ["*"], "verbs": ["*"]}]}, {"rules": [READ]}, []),
        ({"rules": [{**READ, "where": "false"}]}, {"rules": [READ]}, ["rules: read role"]),
        ({"rules": [{**READ, "where": "false"}]}, {"rules": [{**READ, "where": "false"}]}, []),
        ({}, {"impersonate": {"users": ["*"], "roles": ["*"]}}, ["impersonate"]),
        ({}, {"request": {"roles": ["x"]}}, ["request"]),
        ({}, {"host_sudoers": ["ALL"]}, ["host_sudoers: ALL"]),
    ],
)
def test_more_than_the_writer_holds(held: dict[str, Any], new: dict[str, Any], more: list[str]) -> None:
    assert beyond([role("own", allow=held)], role("new", allow=new)) == more


def test_a_role_that_gives_very_much_is_cut() -> None:
    assert len(beyond([], role("new", allow={"logins": [f"u{n}" for n in range(99)]}))) == MOST
