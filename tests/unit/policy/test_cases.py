"""Expectations in documents: every kind of question, how answers are compared, what is told of a difference."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model.codec import from_yaml
from teleport.policy.case_answers import Outcome, run
from teleport.policy.cases import QUESTIONS, AccessTest, Case, read
from teleport.policy.world import World

NOW = datetime(2030, 1, 4, 12, tzinfo=UTC)  # a Friday
WORLD = """
kind: role
version: v7
metadata: {name: dev}
spec:
  options: {max_session_ttl: 8h, require_session_mfa: true}
  allow:
    logins: ['{{internal.logins}}']
    node_labels: {env: dev}
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: [dev]
    kubernetes_resources: [{kind: pod, namespace: dev, name: '*', verbs: [get, list]}]
    db_labels: {'*': '*'}
    db_users: [reader]
    db_names: [shop]
    windows_desktop_labels: {'*': '*'}
    windows_desktop_logins: [Administrator]
    rules: [{resources: [role], verbs: [read], where: 'has_prefix(resource.metadata.name, "dev")'}]
    request: {roles: [admin], thresholds: [{name: two, approve: 2}], reason: {mode: required}}
---
kind: role
version: v7
metadata: {name: admin}
spec:
  allow:
    review_requests: {roles: [admin]}
    join_sessions: [{name: j, roles: [dev], kinds: [ssh], modes: [moderator]}]
---
kind: role
version: v7
metadata: {name: ruled}
spec:
  allow: {logins: [root], node_labels: {'*': '*'}}
  options:
    file_rules: {allow: [{paths: [/out/**]}, {paths: ['~/**'], max_size: 1MB}]}
    command_rules: {allow: [{commands: [uptime]}], ask: [{commands: [reboot]}]}
---
kind: role
version: v7
metadata: {name: weekend}
spec: {allow: {logins: [root], node_labels: {'*': '*'}, schedule: {days: weekends}}}
---
kind: role
version: v7
metadata: {name: watched}
spec:
  allow:
    require_session_join:
    - {name: watch, filter: 'contains(user.roles, "admin")', kinds: [ssh], modes: [moderator], count: 1}
---
kind: user
version: v2
metadata: {name: erin}
spec: {roles: [watched]}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [dev], traits: {logins: [alice, root], team: [blue]}}
---
kind: user
version: v2
metadata: {name: bob}
spec: {roles: [admin]}
---
kind: user
version: v2
metadata: {name: carol}
spec: {roles: [admin]}
---
kind: node
version: v2
metadata: {name: n1, labels: {env: dev}}
spec: {hostname: web1}
---
kind: node
version: v2
metadata: {name: n2, labels: {env: prod}}
spec: {hostname: db1}
---
kind: db
version: v3
metadata: {name: main}
spec: {protocol: postgres, uri: 'x:1'}
---
kind: kube_cluster
version: v3
metadata: {name: k1}
spec: {}
---
kind: windows_desktop
version: v3
metadata: {name: pc}
spec: {addr: 'pc:3389'}
---
kind: lock
version: v2
metadata: {name: l1}
spec: {target: {user: carol}, message: on leave}
---
kind: access_list
version: v1
metadata: {name: ops}
spec: {title: Ops, owners: [{name: bob}], grants: {roles: [weekend]}}
---
kind: access_list_member
version: v1
metadata: {name: bob}
spec: {access_list: ops, name: bob}
---
kind: login_rule
version: v1
metadata: {name: lower}
spec: {traits_map: {logins: ['strings.lower(external.username)']}}
---
kind: trusted_cluster
version: v2
metadata: {name: root}
spec: {enabled: true, web_proxy_addr: 'x:443', role_map: [{remote: 'dev-*', local: [local-$1]}]}
"""


@pytest.fixture(scope="module")
def world() -> World:
    return World(from_yaml(WORLD))


def asked(world: World, text: str) -> Outcome:
    """One case, in YAML of one line."""
    suite = read(f"kind: access_test\nspec: {{cases: [{text}]}}")
    (outcome,) = run(world, suite.tests[0], NOW)
    return outcome


ANSWERS = [
    # reaching
    ("user: alice, access: {resource: node/web1, login: root, mfa: yes}", "allowed"),
    ("user: alice, access: {resource: node/n1, login: root, mfa: yes}", "allowed"),
    ("user: alice, access: {resource: node/web1, login: root}", "denied"),
    ("user: alice, access: {resource: node/db1, login: root, mfa: yes}", "denied"),
    ("user: carol, as_roles: [dev], access: {resource: node/web1, login: root, mfa: yes}", "denied"),
    ("as_roles: [weekend], access: {resource: node/db1, login: root}", "denied"),
    ("as_roles: [weekend], at: '2030-01-05T12:00:00Z', access: {resource: node/db1, login: root}", "allowed"),
    ("user: alice, access: {resource: db/main, login: reader, values: {db_names: shop}, mfa: yes}", "allowed"),
    ("user: alice, access: {resource: db/main, login: reader, values: {db_names: x}, mfa: yes}", "denied"),
    ("user: alice, access: {resource: windows_desktop/pc, login: Administrator, mfa: yes}", "allowed"),
    (
        "user: alice, access: {resource: kube_cluster/k1, mfa: yes, "
        "kubernetes: {kind: pods, verbs: [get], namespace: dev, name: web}}",
        "allowed",
    ),
    (
        "user: alice, access: {resource: kube_cluster/k1, mfa: yes, "
        "kubernetes: {kind: pods, verbs: exec, namespace: dev, name: web}}",
        "denied",
    ),
    # files and commands
    ("as_roles: [ruled], file: {resource: node/web1, login: root, path: /out/x}", "allowed"),
    ("as_roles: [ruled], file: {resource: node/web1, login: root, path: /root/x, direction: upload}", "allowed"),
    ("as_roles: [ruled], file: {resource: node/web1, login: root, path: /root/x, size: 2MB}", "denied"),
    ("as_roles: [ruled], file: {resource: node/web1, login: root, path: /etc/x}", "denied"),
    ("as_roles: [ruled], file: {resource: node/web1, login: alice, path: /out/x}", "denied"),
    ("as_roles: [ruled], command: {resource: node/web1, login: root, command: uptime}", "allowed"),
    ("as_roles: [ruled], command: {resource: node/web1, login: root, command: reboot}", "waits"),
    ("as_roles: [ruled], command: {resource: node/web1, login: root}", "denied"),
    ("as_roles: [ruled], command: {resource: node/web1, login: root, command: uptime; id}", "denied"),
    # lists
    ("user: alice, logins: {resource: node/web1}", ["alice", "root"]),
    ("user: alice, logins: {resource: windows_desktop/pc}", ["Administrator"]),
    ("user: alice, visible: {kind: nodes}", ["web1"]),
    # rules
    ("user: alice, action: {verb: read, kind: role, resource: role/dev}", "allowed"),
    ("user: alice, action: {verb: read, kind: role, resource: role/admin}", "denied"),
    ("user: alice, action: {verb: list, kind: node}", "allowed"),
    ("as_roles: [editor], action: {verb: update, kind: role}", "allowed"),
    (
        "user: x, as_roles: [access], action: {verb: read, kind: session, session: {participants: [x, y]}}",
        "allowed",
    ),
    ("user: x, as_roles: [access], action: {verb: read, kind: session, session: {participants: [y]}}", "denied"),
    # pieces
    (
        "user: alice, options: {only: [max_session_ttl, ssh_file_copy]}",
        {"max_session_ttl": "8h", "ssh_file_copy": "yes"},
    ),
    ("user: alice, options: {}", {"forward_agent": False}),
    ("user: alice, where: {expression: 'contains(user.spec.roles, \"dev\")'}", True),
    ("user: alice, where: {expression: 'resource.metadata.name == \"n1\"', resource: node/web1}", True),
    ("where: {expression: 'contains(session.participants, \"x\")', session: {participants: [x]}}", True),
    ("labels: {expression: 'labels.env == \"x\"', labels: {env: x}}", True),
    ("labels: {expression: 'labels.env == \"prod\"', resource: node/db1}", True),
    ('traits: {team: [a]}, labels: {expression: \'contains(user.spec.traits["team"], "a")\'}', True),
    ("user: alice, template: {text: '{{internal.logins}}-x'}", ["alice-x", "root-x"]),
    ("traits: {email: [a@b]}, template: {text: '{{email.local(external.email)}}'}", ["a"]),
    # requests
    ("user: alice, request: {roles: [admin], reason: why}", "pending"),
    ("user: alice, request: {roles: [admin]}", "denied"),
    ("user: alice, request: {roles: [weekend], reason: why}", "denied"),
    (
        "user: alice, request: {roles: [admin], reason: why, "
        "reviews: [{by: bob, decision: approve}, {by: carol, decision: approve}]}",
        "approved",
    ),
    ("user: alice, request: {roles: [admin], reason: why, reviews: [{by: bob, decision: approve}]}", "pending"),
    ("user: alice, request: {roles: [admin], reason: why, reviews: [{by: bob, decision: deny}]}", "denied"),
    (
        "user: alice, request: {roles: [admin], reason: why, reviews: [{by: alice, decision: approve}]}",
        "review by alice refused",
    ),
    # sessions
    ("user: alice, session: {}", "running"),
    ("user: erin, session: {}", "waiting"),
    ("user: erin, session: {parties: [{user: bob}]}", "running"),
    ("user: erin, session: {parties: [{user: bob, mode: observer}]}", "waiting"),
    ("user: erin, session: {kind: k8s}", "running"),
    ("user: bob, join: {owner: alice, mode: moderator}", "allowed"),
    ("user: bob, join: {owner: alice, mode: peer}", "denied"),
    # where people come from
    ("login_rules: {traits: {username: [Alice], groups: [x]}}", {"logins": ["alice"]}),
    ("user: bob, lists: {}", ["weekend"]),
    ("role_map: {trusted_cluster: root, roles: [dev-eu, ops]}", ["local-eu"]),
    # what cannot be answered
    ("user: absent, options: {}", "error"),
    ("where: {expression: 'unknown(1)'}", "error"),
    ("template: {text: '{{bad'}", "error"),
    ("user: alice, access: {resource: node/absent}", "error"),
    ("as_roles: [absent], options: {}", "error"),
    ("as_roles: [editor], action: {verb: fly, kind: role}", "error"),
    ("as_roles: [editor], action: {verb: read, kind: rolle}", "error"),
]


@pytest.mark.parametrize(("text", "expected"), ANSWERS)
def test_answers(world: World, text: str, expected: Any) -> None:
    suite = read(f"kind: access_test\nspec: {{cases: [{{{text}, expect: x}}]}}")
    suite.tests[0].spec.cases[0].expect = expected
    (outcome,) = run(world, suite.tests[0], NOW)
    assert outcome.passed, outcome.problem
    suite.tests[0].spec.cases[0].expect = {"no": "such"} if isinstance(expected, list | str) else "other"
    assert not run(world, suite.tests[0], NOW)[0].passed


def test_every_question_is_tried() -> None:
    tried = {name for name in QUESTIONS for text, _ in ANSWERS if f"{name}: {{" in text}
    assert tried == set(QUESTIONS) <= set(Case.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{user: alice, access: {resource: node/web1, login: x}, expect: allowed}", "expected allowed, found denied"),
        (
            "{user: alice, logins: {resource: node/web1}, expect: [root, bob]}",
            'missing ["bob"], not expected ["alice"]',
        ),
        ("{user: alice, options: {}, expect: {max_session_ttl: 9h}}", "max_session_ttl: expected 9h, found 8h0m0s"),
        ("{where: {expression: 'true'}, expect: 'no'}", "expected no, found true"),
        ("{where: {expression: 'x'}, expect: true}", "column 1: unknown name 'x'"),
        (
            "{user: alice, access: {resource: node/db1, login: root}, expect: denied, because: {code: mfa_required}}",
            "because.code: expected mfa_required, found nothing_allows",
        ),
        (
            "{user: alice, access: {resource: node/web1, login: root}, expect: denied, because: {role: other}}",
            "because.role: expected other, found dev",
        ),
        (
            "{user: absent, options: {}, expect: error, because: {message: other}}",
            "there is no user 'absent'",
        ),
    ],
)
def test_differences_are_told(world: World, text: str, problem: str) -> None:
    outcome = asked(world, text)
    assert not outcome.passed
    assert problem in outcome.problem


def test_reasons_may_be_expected(world: World) -> None:
    reasons = "{code: mfa_required, role: dev, message: MFA required}"
    told = f"{{user: alice, access: {{resource: node/web1, login: root}}, expect: denied, because: {reasons}}}"
    assert asked(world, told).passed
    assert asked(world, "{user: x, options: {}, expect: error, because: {message: no user}}").passed


def test_a_failed_decision_is_explained(world: World) -> None:
    outcome = asked(world, "{user: alice, access: {resource: node/db1, login: root}, expect: allowed}")
    assert outcome.explanation is not None
    assert [one.role for one in outcome.explanation.roles if one.missing] == ["dev"]


class TestDocuments:
    @pytest.mark.parametrize(
        ("cases", "message"),
        [
            ("[{expect: x}]", "found none"),
            ("[{options: {}, lists: {}, expect: x}]", "found options and lists"),
            ("[{options: {}}]", "spec.cases[0].expect is missing"),
            ("[{optoins: {}, expect: x}]", "did you mean options?"),
            ("[{access: {login: x}, expect: x}]", "resource is missing"),
            ("[{options: {}, at: '2030-01-01T00:00:00', expect: x}]", "at"),
        ],
    )
    def test_mistakes_are_told_with_document_and_line(self, cases: str, message: str) -> None:
        with pytest.raises(BadParameter) as refused:
            read(f"kind: role\nmetadata: {{name: r}}\nspec: {{}}\n---\nkind: access_test\nspec:\n  cases: {cases}\n")
        assert message in refused.value.message
        assert refused.value.message.startswith("document 2, line ")

    def test_resources_and_cases_in_one_file(self) -> None:
        suite = read(WORLD + "\n---\nkind: access_test\nspec: {include: [more.yaml], cases: []}")
        assert len(suite.resources) == 19
        assert suite.includes == ["more.yaml"]

    def test_the_moment_of_case_document_and_caller(self, world: World) -> None:
        def hour(text: str) -> bool:
            case = "{as_roles: [weekend], access: {resource: node/db1, login: root}, expect: allowed"
            suite = read(f"kind: access_test\nspec: {{{text}cases: [{case}}}]}}")
            return run(world, suite.tests[0], NOW)[0].passed

        assert not hour("")
        assert hour("now: '2030-01-05T00:00:00Z', ")


class TestWorld:
    def test_presets_may_be_left_out_or_written_over(self) -> None:
        own = from_yaml("kind: role\nversion: v7\nmetadata: {name: access}\nspec: {}")
        assert not World(own).role("access").spec.allow.logins
        assert World([]).role("access").spec.allow.logins
        assert not World([], with_presets=False).roles

    def test_a_name_that_is_there_twice(self) -> None:
        with pytest.raises(BadParameter, match="role 'a' is there twice"):
            World(from_yaml("kind: role\nmetadata: {name: a}\n---\nkind: role\nmetadata: {name: a}\n"))

    def test_is_a_document_of_files_alone(self) -> None:
        with pytest.raises(BadParameter, match="access_test"):
            from_yaml("kind: access_test\nmetadata: {name: x}\nspec: {}")
        assert AccessTest().name == "cases"
