"""`kubernetes_resources` of roles, compiled for one cluster: which objects roles allow and deny, and which lists.

What a rule means depends on the version of its role. Before v7 rules speak of pods alone: everything else is free
where the cluster is allowed. In v7 what no rule names is refused; `namespace` covers all that is inside of it, `*`
also what belongs to the cluster. In v8 kinds are the API's plurals with their group, `namespaces` is the object
alone, and a rule without namespace covers what belongs to the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import KubernetesResource
from teleport.model.resources.role_rules import CLUSTER_WIDE_KINDS
from teleport.policy import templates
from teleport.policy.kubernetes_objects import KubernetesObject
from teleport.policy.patterns import WILDCARD, PatternSet
from teleport.policy.templates import Traits

READING = frozenset({"get", "list", "watch"})
LISTING = frozenset({"list", "watch"})
_OLD = frozenset({"v3", "v4", "v5", "v6"})


class ObjectRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of one role. `text` is how it is told."""

    version: str
    kind: str
    groups: PatternSet
    names: PatternSet
    namespaces: PatternSet
    has_namespace: bool
    verbs: frozenset[str]
    text: str

    def covers(self, verb: str, thing: KubernetesObject) -> bool:
        """One object; one without a name is not known by name, so that only a rule for all names covers it."""
        return self._has_verb(verb) and self._has_kind(thing) and self._has_place(thing) and self._has_name(thing)

    def covers_some(self, verb: str, thing: KubernetesObject) -> bool:
        """Whether of such things, whatever their names, it may cover one."""
        return self._has_verb(verb) and self._has_kind(thing) and self._has_place(thing, is_open=True)

    def _has_verb(self, verb: str) -> bool:
        return verb in self.verbs or WILDCARD in self.verbs

    def _is_inside(self, thing: KubernetesObject) -> bool:
        """Whether it is judged as content of a namespace that the rule names."""
        return self.version != "v8" and self.kind == "namespace" and thing.old_kind != "namespace"

    def _has_kind(self, thing: KubernetesObject) -> bool:
        if self.version == "v8":
            return self.kind in (WILDCARD, thing.kind) and self.groups.matches(thing.api_group)
        return self._is_inside(thing) or self.kind in (WILDCARD, thing.old_kind)

    def _has_place(self, thing: KubernetesObject, *, is_open: bool = False) -> bool:
        """`is_open`: without a namespace a list is one over all of them."""
        namespace = thing.namespace
        if self._is_inside(thing):
            is_everywhere = is_open and thing.old_kind not in CLUSTER_WIDE_KINDS
            return self.names.matches(namespace) if namespace else is_everywhere
        if namespace:
            return self.namespaces.matches(namespace)
        if is_open or (self.version != "v8" and (thing.name or thing.old_kind in CLUSTER_WIDE_KINDS)):
            return True
        # of v8, or a list that may be one over all namespaces
        return not self.has_namespace or self.namespaces.matches_all

    def _has_name(self, thing: KubernetesObject) -> bool:
        if self._is_inside(thing):
            return True
        return self.names.matches(thing.name) if thing.name else self.names.matches_all

    def reaches_into(self, namespace: str) -> bool:
        """Whether it covers anything in that namespace, so that the namespace itself may be seen."""
        if self.version != "v8" and self.kind == "namespace":
            return self.names.matches(namespace)
        return self.has_namespace and self.namespaces.matches(namespace)


class RoleRules(msgspec.Struct, frozen=True, kw_only=True):
    """Of one role on one side. `is_broken`: one could not be read; on the deny side it denies everything."""

    version: str
    rules: tuple[ObjectRule, ...]
    is_broken: bool = False
    message: str = ""

    def allows(self, verb: str, thing: KubernetesObject) -> bool:
        """A list is allowed when it may hold something that is allowed."""
        if self._is_free(thing):
            return True
        if any(rule.covers(verb, thing) for rule in self.rules):
            return True
        is_list = not thing.name and verb in LISTING
        if is_list and any(rule.covers_some(verb, thing) for rule in self.rules):
            return True
        if thing.old_kind != "namespace" or verb not in READING:
            return False
        # a namespace of which anything may be reached may be seen
        return bool(self.rules) if is_list else any(rule.reaches_into(thing.name) for rule in self.rules)

    def denies(self, verb: str, thing: KubernetesObject) -> bool:
        """A list is denied when all of it is; what else has no name, when any of it is."""
        if self.is_broken:
            return True
        if self._is_free(thing):
            return False
        if thing.name or verb in LISTING:
            return any(rule.covers(verb, thing) for rule in self.rules)
        return any(rule.covers_some(verb, thing) for rule in self.rules)

    def _is_free(self, thing: KubernetesObject) -> bool:
        return self.version in _OLD and thing.old_kind != "pod"


def compile_rules(role: Role, traits: Traits, *, is_deny: bool) -> RoleRules:
    """In allow, rules that cannot be read are left out; in deny one makes it deny everything."""
    written = role.spec.deny.kubernetes_resources if is_deny else role.allow_kubernetes_resources()
    rules: list[ObjectRule] = []
    message = ""
    for resource in written:
        try:
            rules += _compiled(resource, role.version, traits, is_deny=is_deny)
        except BadParameter as problem:
            message = problem.message
    return RoleRules(version=role.version, rules=tuple(rules), is_broken=is_deny and bool(message), message=message)


def _compiled(resource: KubernetesResource, version: str, traits: Traits, *, is_deny: bool) -> Iterator[ObjectRule]:
    names = templates.expand([resource.name], traits)
    namespaces = templates.expand([resource.namespace], traits) if resource.namespace else []
    if not names or (resource.namespace and not namespaces):
        return  # a trait is absent: it names nothing
    # a group that is not written is the core group in allow, any in deny
    group = resource.api_group or (WILDCARD if is_deny else "")
    yield ObjectRule(
        version=version,
        kind=resource.kind,
        groups=PatternSet([group]),
        names=PatternSet(names),
        namespaces=PatternSet(namespaces),
        has_namespace=bool(namespaces),
        verbs=frozenset(resource.verbs or [WILDCARD]),
        text=_text(resource, names, namespaces),
    )


def _text(resource: KubernetesResource, names: Sequence[str], namespaces: Sequence[str]) -> str:
    place = f"{','.join(namespaces)}/{','.join(names)}" if namespaces else ",".join(names)
    kind = f"{resource.kind}.{resource.api_group}" if resource.api_group else resource.kind
    return f"{','.join(resource.verbs or [WILDCARD])} {kind} {place}"
