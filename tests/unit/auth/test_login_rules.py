"""Login rules in the auth service: in order, told by name; one that fails ends the login."""

from __future__ import annotations

import pytest
from auth_cluster import TestCluster

from teleport.auth.login_rules import rewritten
from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.login_rule import LoginRule, LoginRuleSpec


async def a_rule(cluster: TestCluster, name: str, **spec: object) -> None:
    rule = LoginRule(metadata=Metadata(name=name), spec=LoginRuleSpec(**spec))  # type: ignore[arg-type]
    await (await cluster.admin()).put(rule)


async def test_rules_run_by_priority_and_are_named(cluster: TestCluster) -> None:
    given = {"groups": ["admins", "dev"], "mail": ["a@example.com"]}
    plain = await rewritten(cluster.service.cluster, given)
    assert (plain.traits, plain.applied) == ({"groups": ("admins", "dev"), "mail": ("a@example.com",)}, ())
    await a_rule(cluster, "second", priority=2, traits_map={"teams": ["external.teams"], "all": ['"yes"']})
    await a_rule(cluster, "first", priority=1, traits_map={"teams": ["external.groups"]})
    made = await rewritten(cluster.service.cluster, given)
    assert made.traits == {"teams": ("admins", "dev"), "all": ("yes",)}
    assert made.applied == ("first", "second")


async def test_a_rule_that_gives_no_traits_ends_the_login(cluster: TestCluster) -> None:
    expression = 'ifelse(external.groups.contains("x"), external, external.groups)'
    rule = LoginRule(metadata=Metadata(name="bad"), spec=LoginRuleSpec(traits_expression=expression))
    await cluster.store.create(rule)
    with pytest.raises(AccessDenied, match="bad"):
        await rewritten(cluster.service.cluster, {"groups": ["dev"]})


async def test_a_rule_that_cannot_be_read_is_refused(cluster: TestCluster) -> None:
    with pytest.raises(BadParameter):
        await a_rule(cluster, "bad", traits_map={"teams": ["external.groups +"]})


async def test_local_users_keep_what_is_written(cluster: TestCluster) -> None:
    from teleport.credentials import x509

    await a_rule(cluster, "only", traits_map={"other": ["external.none"]})
    person = await cluster.sign_up("alice", "access", logins=["root"])
    granted = await cluster.log_in_for(person)
    assert x509.read_identity(granted.tls_cert, "user").traits["logins"] == ("root",)
