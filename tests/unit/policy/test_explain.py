"""The whole story of a decision: each role's part in it, and that the story and the decision are one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roles import ANYTHING, node, role, role_set, unchecked

from teleport.policy.access import AccessState, can_access_node
from teleport.policy.actions import ActionContext, may
from teleport.policy.explain import Explanation, RoleStory, explain_access, explain_action
from teleport.policy.explanations import as_plain, as_text
from teleport.policy.role_set import RoleSet
from teleport.policy.sentences import LANGUAGES

PLAIN = AccessState()
SATURDAY = datetime(2030, 1, 5, 12, tzinfo=UTC)


def story(explanation: Explanation, name: str = "dev") -> RoleStory:
    return next(one for one in explanation.roles if one.role == name)


def ssh(roles: RoleSet, login: str = "root", state: AccessState = PLAIN, **labels: str) -> Explanation:
    return explain_access(roles, "node", node(**labels), state, {"logins": login})


def test_each_condition_of_a_role_is_told() -> None:
    roles = role_set(
        role(allow={"logins": ["{{internal.logins}}"], "node_labels": {"env": ["dev", "st*"], "team": "x"}}),
        logins=["alice"],
    )
    told = story(ssh(roles, env="prod"))
    assert [(check.field, check.is_met, check.wanted, check.found) for check in told.allow] == [
        ("node_labels", False, ("env: dev", "env: st*"), "env: prod"),
        ("node_labels", False, ("team: x",), ""),
        ("logins", False, ("alice",), "root"),
    ]
    assert told.allow[2].written == ("{{internal.logins}}",)
    assert len(told.missing) == 3
    met = story(ssh(roles, "alice", env="staging", team="x"))
    assert met.allows
    assert not met.missing


def test_templates_of_labels_are_shown_as_written() -> None:
    roles = role_set(role(allow={"logins": ["root"], "node_labels": {"team": "{{external.team}}"}}), team=["blue"])
    (label, _) = story(ssh(roles, team="red")).allow
    assert (label.wanted, label.written, label.found) == (("team: blue",), ("team: {{external.team}}",), "team: red")


def test_denies_are_told_with_what_they_did() -> None:
    roles = role_set(
        role(allow={"logins": ["root"], "node_labels": ANYTHING}),
        role("labels", deny={"node_labels": {"env": "prod"}}),
        role("login", deny={"logins": ["root", "other"]}),
        role("idle", deny={"logins": ["nobody"]}),
    )
    found = ssh(roles, env="prod")
    assert story(found, "labels").denies
    assert story(found, "login").deny[0].wanted == ("root", "other")
    assert not story(found, "idle").denies
    assert [one.role for one in found.roles if one.denies] == ["labels", "login"]


def test_the_hour_is_a_condition_like_others() -> None:
    roles = role_set(role(allow={"logins": ["root"], "node_labels": ANYTHING, "schedule": {"days": "weekdays"}}))
    told = story(ssh(roles, state=AccessState(now=SATURDAY)))
    assert [(check.field, check.is_met) for check in told.allow] == [
        ("allow.schedule", False),
        ("node_labels", True),
        ("logins", True),
    ]
    closed = role_set(
        role(allow={"logins": ["root"], "node_labels": ANYTHING}), role("no", deny={"schedule": {"days": "sat"}})
    )
    assert story(ssh(closed, state=AccessState(now=SATURDAY)), "no").deny[0].field == "deny.schedule"


def test_demands_on_the_session() -> None:
    options = {"require_session_mfa": True, "device_trust_mode": "required"}
    roles = role_set(role(allow={"logins": ["root"], "node_labels": ANYTHING}, options=options))
    told = story(ssh(roles))
    assert [check.is_met for check in told.demands] == [False, False]
    assert told.allows
    assert len(told.missing) == 2
    met = story(ssh(roles, state=AccessState(mfa_verified=True, device_verified=True)))
    assert not met.missing


def test_what_cannot_be_read_is_told() -> None:
    broken = unchecked("b", allow={"logins": ["root"], "node_labels": {"env": ["^($"]}})
    (label, _) = story(ssh(role_set(broken)), "b").allow
    assert "regular expression" in label.problem
    fails = role(allow={"logins": ["root"], "node_labels_expression": 'email.local(labels.x) == "a"'})
    expression = story(ssh(role_set(fails), x="no address")).allow[0]
    assert (expression.is_met, bool(expression.problem)) == (False, True)


def test_a_role_that_says_nothing() -> None:
    told = story(ssh(role_set(role("dev", allow={"db_labels": ANYTHING}))))
    assert (told.allow, told.deny, told.allows, told.denies) == ((), (), False, False)


class TestActions:
    def test_rules_with_their_conditions(self) -> None:
        allow = {
            "rules": [
                {"resources": ["role"], "verbs": ["update"], "where": 'has_prefix(resource.metadata.name, "dev-")'},
                {"resources": ["user"], "verbs": ["update"]},
            ]
        }
        roles = role_set(role(allow=allow), role("no", deny={"rules": [{"resources": ["*"], "verbs": ["delete"]}]}))
        context = ActionContext(resource=role("prod-x"))
        found = explain_action(roles, "update", "role", context, "prod-x")
        (check,) = story(found).allow
        assert (check.field, check.is_met) == ("allow.rules[0]", False)
        assert check.wanted == ('has_prefix(resource.metadata.name, "dev-")',)
        assert not found.decision.allowed
        assert explain_action(roles, "update", "role", ActionContext(resource=role("dev-x"))).decision.allowed
        assert story(explain_action(roles, "delete", "role"), "no").denies


class TestWords:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_text_names_every_role_that_decided_first(self, language: Any) -> None:
        roles = role_set(
            role("a", allow={"logins": ["root"], "node_labels": {"env": "dev"}}),
            role("z", deny={"logins": ["root"]}),
        )
        text = as_text(ssh(roles, env="prod"), language)
        lines = text.splitlines()
        assert lines[0].startswith("alice: node/web1, logins root: ")
        assert text.index(" z (v7)") < text.index(" a (v7)") < text.index("default-implicit-role")
        assert any("env: dev" in line and "env: prod" in line for line in lines)

    def test_json_has_all_of_it(self) -> None:
        roles = role_set(role(allow={"logins": ["root"], "node_labels": {"env": "dev"}}))
        plain: Any = json.loads(json.dumps(as_plain(ssh(roles, env="prod"), "ko")))
        assert plain["allowed"] is False
        assert plain["decision"]["reason"]["code"] == "nothing_allows"
        assert plain["message"].startswith("node 접근이 거부")
        assert plain["roles"][0]["allow"][0]["found"] == "env: prod"
        assert plain["notes"]


selectors = st.dictionaries(
    st.sampled_from(["env", "team"]), st.lists(st.sampled_from(["dev", "d*", "prod"]), min_size=1), max_size=2
)
sides = st.fixed_dictionaries(
    {},
    optional={
        "logins": st.lists(st.sampled_from(["root", "alice"]), max_size=2),
        "node_labels": selectors,
        "node_labels_expression": st.sampled_from(['labels.env == "dev"', 'labels.team != ""']),
        "schedule": st.sampled_from([{"days": "weekdays"}, {"days": "weekends"}]),
    },
)


@given(
    st.lists(st.tuples(sides, sides), max_size=3), st.dictionaries(st.just("env"), st.sampled_from(["dev", "prod"]))
)
@settings(deadline=None)
def test_story_and_decision_are_one(made: list[tuple[Any, Any]], labels: dict[str, str]) -> None:
    roles = role_set(*(role(f"r{n}", allow=allow, deny=deny) for n, (allow, deny) in enumerate(made)))
    state = AccessState(now=SATURDAY)
    found = ssh(roles, state=state, **labels)
    allowed = any(one.allows for one in found.roles) and not any(one.denies for one in found.roles)
    assert allowed is found.decision.allowed is can_access_node(roles, node(**labels), "root", state).allowed
    if found.decision.allowed:
        assert set(found.decision.roles) == {one.role for one in found.roles if one.allows}


rules = st.lists(
    st.fixed_dictionaries(
        {"resources": st.sampled_from([["role"], ["*"]]), "verbs": st.sampled_from([["read"], ["*"], ["list"]])},
        optional={"where": st.sampled_from(["true", "false"])},
    ),
    max_size=2,
)


@given(rules, rules)
def test_story_and_action_are_one(allow: list[Any], deny: list[Any]) -> None:
    roles = role_set(role(allow={"rules": allow}, deny={"rules": deny}))
    found = explain_action(roles, "read", "role")
    allowed = any(one.allows for one in found.roles) and not any(one.denies for one in found.roles)
    assert allowed is may(roles, "read", "role").allowed
