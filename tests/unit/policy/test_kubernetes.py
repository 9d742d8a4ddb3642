"""Kubernetes: the rules of section 3.4 of the resource reference, version by version; whom a call acts as."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roles import ANYTHING, role, role_set, unchecked

from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import KubernetesResource
from teleport.policy.access import AccessState
from teleport.policy.decision import Code
from teleport.policy.kubernetes import ObjectFilter, can_access_object, impersonation
from teleport.policy.kubernetes_objects import KubernetesObject, verbs_of
from teleport.policy.role_set import RoleSet

PLAIN = AccessState()
GROUPS = {"apps": "deployments", "": "pods"}
VERSIONS = ["v3", "v4", "v5", "v6", "v7", "v8"]


def cluster(**labels: str) -> Resource:
    return decode_document(
        {"kind": "kube_cluster", "version": "v3", "metadata": {"name": "prod", "labels": labels}, "spec": {}}
    )


def thing(text: str) -> KubernetesObject:
    """`pods ns/name`, `deployments.apps ns/`, `nodes /name`"""
    kind, place = text.split()
    kind, _, group = kind.partition(".")
    namespace, _, name = place.partition("/")
    return KubernetesObject(kind=kind, api_group=group, namespace=namespace, name=name)


def rule(kind: str, namespace: str = "", name: str = "*", *verbs: str, group: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": kind, "name": name, "verbs": list(verbs or ("*",))}
    return made | ({"namespace": namespace} if namespace else {}) | ({"api_group": group} if group else {})


def of(version: str, *rules: dict[str, Any], deny: list[dict[str, Any]] | None = None, **allow: Any) -> Role:
    sides: dict[str, Any] = {"allow": {"kubernetes_labels": ANYTHING, "kubernetes_groups": ["dev"], **allow}}
    if rules:
        sides["allow"]["kubernetes_resources"] = list(rules)
    if deny:
        sides["deny"] = {"kubernetes_resources": deny}
    return role(version=version, **sides)


def answers(roles: RoleSet, verb: str, target: str) -> bool:
    return can_access_object(roles, cluster(), [verb], thing(target), PLAIN).allowed


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        # exec into a pod, read a secret, read a custom resource, read a node of the cluster
        ("v3", (True, True, True, True)),
        ("v4", (True, True, True, True)),
        ("v5", (True, True, True, True)),
        ("v6", (False, True, True, True)),
        ("v7", (True, True, True, True)),
        ("v8", (True, True, True, True)),
    ],
)
def test_what_an_unset_field_means(version: str, expected: tuple[bool, ...]) -> None:
    roles = role_set(of(version))
    asked = [
        ("exec", "pods a/web"),
        ("get", "secrets a/key"),
        ("get", "widgets.example.com a/x"),
        ("get", "nodes /n1"),
    ]
    assert tuple(answers(roles, *one) for one in asked) == expected


@pytest.mark.parametrize("version", ["v3", "v4", "v5", "v6"])
def test_before_v7_only_pods_are_ruled(version: str) -> None:
    roles = role_set(of(version, {"kind": "pod", "namespace": "a", "name": "web-*"}))
    assert answers(roles, "exec", "pods a/web-1")
    assert not answers(roles, "get", "pods a/db-1")
    assert not answers(roles, "get", "pods b/web-1")
    assert answers(roles, "delete", "secrets b/any")
    # metrics of pods are another kind, which these versions do not rule
    assert answers(roles, "get", "pods.metrics.k8s.io b/web-1")
    denied = role_set(
        of(version), role("no", deny={"kubernetes_resources": [rule("pod", "a", "db-*")]}, version=version)
    )
    assert not answers(denied, "get", "pods a/db-1")
    assert answers(denied, "get", "secrets a/db-1")


@pytest.mark.parametrize(
    ("rules", "verb", "target", "expected"),
    [
        # what no rule names is refused
        ([rule("pod", "a")], "get", "pods a/x", True),
        ([rule("pod", "a")], "get", "secrets a/x", False),
        ([rule("pod", "a")], "get", "widgets.example.com a/x", False),
        ([rule("*", "a")], "get", "widgets.example.com a/x", True),
        ([rule("deployment", "a")], "get", "deployments.apps a/x", True),
        ([rule("deployment", "a")], "get", "deployments.example.com a/x", False),
        ([rule("pod", "a")], "get", "pods.metrics.k8s.io a/x", False),
        # verbs
        ([rule("pod", "a", "*", "get", "list")], "get", "pods a/x", True),
        ([rule("pod", "a", "*", "get", "list")], "exec", "pods a/x", False),
        ([rule("pod", "a", "*", "get", "list")], "watch", "pods a/", False),
        # names and namespaces: globs and expressions
        ([rule("pod", "dev-*", "web-*")], "get", "pods dev-1/web-1", True),
        ([rule("pod", "dev-*", "web-*")], "get", "pods prod-1/web-1", False),
        ([rule("pod", "^(a|b)$", "^web-[0-9]+$")], "get", "pods b/web-12", True),
        ([rule("pod", "^(a|b)$", "^web-[0-9]+$")], "get", "pods b/web-x", False),
        # a namespace grants all inside of it, and itself, but not others or the cluster's own
        ([rule("namespace", "", "a")], "delete", "secrets a/x", True),
        ([rule("namespace", "", "a")], "get", "widgets.example.com a/x", True),
        ([rule("namespace", "", "a")], "get", "namespaces /a", True),
        ([rule("namespace", "", "a")], "get", "secrets b/x", False),
        ([rule("namespace", "", "a")], "get", "nodes /n", False),
        ([rule("namespace", "", "a", "get")], "delete", "secrets a/x", False),
        # any kind in a namespace also covers what belongs to the cluster
        ([rule("*", "a")], "get", "nodes /n", True),
        ([rule("*", "a")], "get", "clusterroles.rbac.authorization.k8s.io /x", True),
        ([rule("*", "a")], "get", "secrets b/x", False),
        # of the cluster itself
        ([rule("kube_node")], "get", "nodes /n", True),
        ([rule("kube_node")], "get", "persistentvolumes /n", False),
        ([rule("kube_role", "a")], "get", "roles.rbac.authorization.k8s.io a/x", True),
        # whoever reaches into a namespace may see it, and nothing else of it
        ([rule("pod", "a", "x", "exec")], "get", "namespaces /a", True),
        ([rule("pod", "a", "x", "exec")], "get", "namespaces /b", False),
        ([rule("pod", "a", "x", "exec")], "delete", "namespaces /a", False),
        ([rule("pod", "a", "x")], "list", "namespaces /", True),
        # lists are answered when they may hold something
        ([rule("pod", "a", "web-*")], "list", "pods a/", True),
        ([rule("pod", "a", "web-*")], "list", "pods /", True),
        ([rule("pod", "a", "web-*")], "list", "pods b/", False),
        ([rule("pod", "a", "web-*")], "list", "secrets a/", False),
        ([rule("namespace", "", "a")], "list", "secrets a/", True),
        ([rule("namespace", "", "a")], "list", "nodes /", False),
        # what has no name may be any
        ([rule("pod", "a", "web-*")], "deletecollection", "pods a/", False),
        ([rule("pod", "a", "*")], "deletecollection", "pods a/", True),
        ([rule("pod", "a", "web-*")], "create", "pods a/", False),
        ([rule("pod", "a", "web-*")], "create", "pods a/web-1", True),
    ],
)
def test_version_7(rules: list[dict[str, Any]], verb: str, target: str, expected: bool) -> None:
    assert answers(role_set(of("v7", *rules)), verb, target) is expected


@pytest.mark.parametrize(
    ("rules", "verb", "target", "expected"),
    [
        ([rule("pods", "a")], "get", "pods a/x", True),
        ([rule("pods", "a")], "get", "pods.metrics.k8s.io a/x", False),
        ([rule("deployments", "a", group="apps")], "get", "deployments.apps a/x", True),
        ([rule("deployments", "a")], "get", "deployments.apps a/x", False),
        ([rule("widgets", "a", group="*.example.com")], "get", "widgets.eu.example.com a/x", True),
        ([rule("*", "a", group="*")], "get", "widgets.example.com a/x", True),
        # without a namespace a rule is for what belongs to the cluster, with one for what is inside
        ([rule("*", "", group="*")], "get", "nodes /n", True),
        ([rule("*", "", group="*")], "get", "secrets a/n", False),
        ([rule("*", "a", group="*")], "get", "nodes /n", False),
        ([rule("*", "*", group="*")], "get", "nodes /n", True),
        # a namespace is an object like others
        ([rule("namespaces", "", "a")], "get", "namespaces /a", True),
        ([rule("namespaces", "", "a")], "get", "secrets a/x", False),
        ([rule("pods", "a", "x", "exec")], "get", "namespaces /a", True),
        ([rule("pods", "a", "web-*")], "list", "pods /", True),
    ],
)
def test_version_8(rules: list[dict[str, Any]], verb: str, target: str, expected: bool) -> None:
    assert answers(role_set(of("v8", *rules)), verb, target) is expected


class TestDeny:
    def test_wins_over_every_role(self) -> None:
        roles = role_set(of("v7"), role("no", deny={"kubernetes_resources": [rule("secret", "*")]}))
        assert not answers(roles, "get", "secrets a/x")
        assert answers(roles, "get", "pods a/x")
        decision = can_access_object(roles, cluster(), ["get"], thing("secrets a/x"), PLAIN)
        assert (decision.reason.code, decision.reason.role) == (Code.DENIED_BY_MATCHER, "no")

    def test_of_a_namespace_denies_what_is_inside(self) -> None:
        roles = role_set(of("v7"), role("no", deny={"kubernetes_resources": [rule("namespace", "", "a")]}))
        assert not answers(roles, "get", "secrets a/x")
        assert not answers(roles, "get", "namespaces /a")
        assert answers(roles, "get", "secrets b/x")

    def test_does_not_refuse_a_list_of_which_something_is_left(self) -> None:
        roles = role_set(of("v7"), role("no", deny={"kubernetes_resources": [rule("pod", "a", "db-*")]}))
        assert answers(roles, "list", "pods a/")
        everything = role_set(of("v7"), role("no", deny={"kubernetes_resources": [rule("pod", "a", "*")]}))
        assert not answers(everything, "list", "pods a/")

    def test_of_one_refuses_to_delete_all(self) -> None:
        roles = role_set(of("v7"), role("no", deny={"kubernetes_resources": [rule("pod", "a", "db-*")]}))
        assert not answers(roles, "deletecollection", "pods a/")
        assert not answers(roles, "create", "pods a/")
        assert answers(roles, "create", "pods a/web")

    def test_with_labels_speaks_of_those_clusters_alone(self) -> None:
        deny = {"kubernetes_labels": {"env": "prod"}, "kubernetes_resources": [rule("pod", "*")]}
        roles = role_set(of("v7"), role("no", deny=deny))
        assert can_access_object(roles, cluster(env="dev"), ["get"], thing("pods a/x"), PLAIN).allowed
        assert not can_access_object(roles, cluster(env="prod"), ["get"], thing("pods a/x"), PLAIN).allowed

    def test_that_cannot_be_read_denies_everything(self) -> None:
        broken = [KubernetesResource(kind="pod", namespace="a", name="^($", verbs=["*"])]
        roles = role_set(of("v7"), unchecked("no", deny={"kubernetes_resources": broken}))
        decision = can_access_object(roles, cluster(), ["get"], thing("nodes /n"), PLAIN)
        assert decision.reason.code is Code.DENIED_BY_BROKEN_ROLE
        allows = unchecked("a", allow={"kubernetes_labels": {"*": ["*"]}, "kubernetes_resources": broken})
        assert not answers(role_set(allows), "get", "pods a/x")


class TestTogether:
    def test_labels_and_objects_from_one_role(self) -> None:
        dev = of("v7", rule("*", "*"), kubernetes_labels={"env": "dev"})
        prod = role("prod", allow={"kubernetes_labels": {"env": "prod"}, "kubernetes_resources": [rule("pod", "*")]})
        roles = role_set(dev, prod)
        assert can_access_object(roles, cluster(env="dev"), ["get"], thing("secrets a/x"), PLAIN).allowed
        assert not can_access_object(roles, cluster(env="prod"), ["get"], thing("secrets a/x"), PLAIN).allowed

    def test_all_verbs_from_one_role(self) -> None:
        patches = of("v7", rule("pod", "*", "*", "patch"))
        runs = role(
            "runs", allow={"kubernetes_labels": ANYTHING, "kubernetes_resources": [rule("pod", "*", "*", "exec")]}
        )
        needed = verbs_of("PATCH", "pods", "ephemeralcontainers")
        assert needed == ("patch", "exec")
        decision = can_access_object(role_set(patches, runs), cluster(), needed, thing("pods a/x"), PLAIN)
        assert decision.reason.code is Code.NOTHING_ALLOWS

    def test_templates(self) -> None:
        roles = of("v7", rule("pod", "{{external.team}}-*", "{{external.app}}"))
        allowed = role_set(roles, team=["a", "b"], app=["web"])
        assert answers(allowed, "get", "pods b-1/web")
        assert not answers(allowed, "get", "pods c-1/web")
        assert not answers(role_set(roles, team=["a"]), "get", "pods a-1/web")

    def test_tells_what_the_role_allows_instead(self) -> None:
        roles = role_set(of("v7", rule("pod", "a", "web-*", "get", "list")))
        decision = can_access_object(roles, cluster(), ["exec"], thing("pods a/web-1"), PLAIN)
        told = decision.message_for_user()
        assert 'its kubernetes_resources do not include "exec pods a/web-1" (it has: "get,list pod a/web-*")' in told

    def test_a_call_nobody_knows_is_refused(self) -> None:
        assert verbs_of("BREW", "pods") == ()
        assert not can_access_object(role_set(of("v7")), cluster(), (), thing("pods a/x"), PLAIN).allowed


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("GET", "pods"), ("get",)),
        (("HEAD", "pods"), ("get",)),
        (("POST", "pods"), ("create",)),
        (("PUT", "pods"), ("update",)),
        (("PATCH", "pods"), ("patch",)),
        (("DELETE", "pods"), ("delete",)),
        (("GET", "pods", "log"), ("get",)),
        (("POST", "pods", "exec"), ("exec",)),
        (("GET", "pods", "exec"), ("exec",)),
        (("GET", "pods", "attach"), ("exec",)),
        (("POST", "pods", "portforward"), ("portforward",)),
        (("GET", "services", "proxy"), ("portforward",)),
        (("GET", "nodes", "proxy"), ("exec", "portforward")),
        (("GET", "pods", "ephemeralcontainers"), ("get",)),
        (("PUT", "pods", "ephemeralcontainers"), ("update", "exec")),
        (("POST", "pods", "eviction"), ("delete",)),
    ],
)
def test_verbs_of_calls(call: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert verbs_of(*call) == expected


def test_verbs_of_calls_on_collections() -> None:
    assert verbs_of("GET", "pods", is_collection=True) == ("list",)
    assert verbs_of("GET", "pods", is_collection=True, is_watch=True) == ("watch",)
    assert verbs_of("DELETE", "pods", is_collection=True) == ("deletecollection",)
    assert verbs_of("POST", "pods", is_collection=True) == ("create",)


class TestImpersonation:
    def asked(self, allow: dict[str, Any], user: str = "", groups: tuple[str, ...] = ()) -> tuple[Any, ...]:
        found = impersonation(role_set(role(allow={"kubernetes_labels": ANYTHING, **allow})), cluster(), user, groups)
        return (found.user, found.groups) if found.decision.allowed else (found.decision.reason.code,)

    @pytest.mark.parametrize(
        ("allow", "user", "groups", "expected"),
        [
            ({}, "", (), (Code.NO_KUBERNETES_PRINCIPALS,)),
            ({"kubernetes_groups": ["dev", "ops"]}, "", (), ("alice", ("dev", "ops"))),
            ({"kubernetes_groups": ["dev", "ops"]}, "", ("ops",), ("alice", ("ops",))),
            ({"kubernetes_groups": ["dev"]}, "", ("system:masters",), (Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED,)),
            ({"kubernetes_groups": ["dev"]}, "bob", (), (Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED,)),
            ({"kubernetes_groups": ["dev"]}, "alice", (), ("alice", ("dev",))),
            ({"kubernetes_users": ["robot"]}, "", (), ("robot", ())),
            ({"kubernetes_users": ["robot"]}, "alice", (), (Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED,)),
            ({"kubernetes_users": ["a", "b"]}, "", (), (Code.KUBERNETES_USER_OPEN,)),
            ({"kubernetes_users": ["a", "b"]}, "b", (), ("b", ())),
        ],
    )
    def test_choice(self, allow: dict[str, Any], user: str, groups: tuple[str, ...], expected: Any) -> None:
        assert self.asked(allow, user, groups) == expected


class TestFilter:
    def test_keeps_what_may_be_read(self) -> None:
        roles = role_set(
            of("v7", rule("pod", "a", "web-*", "list"), rule("namespace", "", "b", "list")),
            role("no", deny={"kubernetes_resources": [rule("pod", "*", "*-secret")]}),
        )
        seen = ObjectFilter(roles, cluster())
        listed = [
            thing(one) for one in ("pods a/web-1", "pods a/db-1", "pods b/any", "pods b/x-secret", "pods c/web-1")
        ]
        assert [str(one) for one in seen.kept(listed)] == ["pods a/web-1", "pods b/any"]
        namespaces = [thing(f"namespaces /{name}") for name in "abc"]
        assert [one.name for one in seen.kept(namespaces)] == ["a", "b"]

    def test_keeps_nothing_of_a_denied_cluster(self) -> None:
        roles = role_set(of("v7"), role("no", deny={"kubernetes_labels": {"env": "prod"}}))
        assert not ObjectFilter(roles, cluster(env="prod")).keeps(thing("pods a/x"))


namespaces = st.sampled_from(["a", "b", "*", "^a|b$", "a*"])
names = st.sampled_from(["web", "*", "w*", "^web$"])
verbs = st.sampled_from([["*"], ["get"], ["list", "get"], ["exec"]])
rules_7 = st.builds(
    lambda kind, namespace, name, verb: {"kind": kind, "namespace": namespace, "name": name, "verbs": verb},
    st.sampled_from(["pod", "secret", "*", "namespace"]),
    namespaces,
    names,
    verbs,
)
things = st.builds(
    lambda kind, namespace, name: KubernetesObject(kind=kind, namespace=namespace, name=name),
    st.sampled_from(["pods", "secrets", "widgets"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["web", "db"]),
)


@given(
    st.lists(rules_7, max_size=3), st.lists(rules_7, max_size=2), rules_7, things, st.sampled_from(["get", "exec"])
)
@settings(deadline=None)
def test_more_deny_never_grants_and_more_allow_never_revokes(
    allow: list[Any], deny: list[Any], more: Any, target: KubernetesObject, verb: str
) -> None:
    def asked(*roles: Role) -> bool:
        return can_access_object(role_set(*roles), cluster(), [verb], target, PLAIN).allowed

    base = of("v7", *(allow or [rule("job", "none")]), deny=deny)
    extra = of("v7", more)
    before = asked(base)
    extra.metadata.name = "extra"
    assert not before or asked(base, extra)
    assert before or not asked(base, role("extra", deny={"kubernetes_resources": [more]}))


@given(st.lists(rules_7, min_size=1, max_size=3), st.lists(rules_7, max_size=2), things)
@settings(deadline=None)
def test_what_a_filter_keeps_a_list_was_allowed_for(
    allow: list[Any], deny: list[Any], target: KubernetesObject
) -> None:
    roles = role_set(of("v7", *allow, deny=deny))
    if ObjectFilter(roles, cluster()).keeps(target):
        whole = KubernetesObject(kind=target.kind, namespace=target.namespace)
        everywhere = KubernetesObject(kind=target.kind)
        for asked in (whole, everywhere):
            assert can_access_object(roles, cluster(), ["list"], asked, PLAIN).allowed
