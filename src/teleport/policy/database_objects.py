"""Objects inside databases: the labels that import rules give them, and what `db_permissions` allow on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.model.resources.database_objects import (
    DatabaseObject,
    DatabaseObjectImportRule,
    ObjectMapping,
    ObjectScope,
)
from teleport.model.resources.role_conditions import DatabasePermission
from teleport.policy import patterns, templates
from teleport.policy.matching import bits
from teleport.policy.patterns import WILDCARD
from teleport.policy.role_set import RoleSet
from teleport.policy.selectors import LabelSelector
from teleport.policy.templates import Traits

_LISTS = {"table": "table_names", "view": "view_names", "procedure": "procedure_names"}


def imported_labels(
    rules: Iterable[DatabaseObjectImportRule], database: Resource, found: DatabaseObject
) -> dict[str, str] | None:
    """The labels of an object, None for one that no rule imports. Lower `priority` first; later rules write over.

    Raises BadParameter for a rule whose patterns cannot be read.
    """
    labels: dict[str, str] | None = None
    for rule in sorted(rules, key=lambda one: (one.spec.priority, one.name)):
        if not LabelSelector(_selector(rule)).matches(database.labels):
            continue
        for mapping in rule.spec.mappings:
            if _matches(mapping, found):
                labels = (labels or {}) | {key: _filled(value, found) for key, value in mapping.add_labels.items()}
    return labels


def _selector(rule: DatabaseObjectImportRule) -> Mapping[str, Sequence[str]]:
    written = rule.spec.database_labels
    return written if isinstance(written, dict) else {label.name: label.values for label in written}


def _matches(mapping: ObjectMapping, found: DatabaseObject) -> bool:
    names: Sequence[str] = getattr(mapping.match, _LISTS.get(found.spec.object_kind, ""), ())
    return _any(names, found.spec.name) and _is_in_scope(mapping.scope, found)


def _is_in_scope(scope: ObjectScope | None, found: DatabaseObject) -> bool:
    """Without a scope, or with an empty list in it, everything is in it."""
    if scope is None:
        return True
    return all(
        not wanted or _any(wanted, value)
        for wanted, value in ((scope.database_names, found.spec.database), (scope.schema_names, found.spec.schema))
    )


def _any(wanted: Iterable[str], value: str) -> bool:
    return any(patterns.matcher(pattern)(value) for pattern in wanted)


def _filled(value: str, found: DatabaseObject) -> str:
    """`{{obj.schema}}` and the like stand for fields of the object."""
    for name in found.spec.__struct_fields__:
        for written in (f"{{{{obj.{name}}}}}", f"{{{{ obj.{name} }}}}"):
            value = value.replace(written, str(getattr(found.spec, name)))
    return value


def permissions(
    role_set: RoleSet, database: Resource, objects: Iterable[tuple[DatabaseObject, Mapping[str, str]]]
) -> list[tuple[DatabaseObject, tuple[str, ...]]]:
    """For each object with its labels the permissions (upper case, sorted) that roles of this database allow, less
    what any role denies; a denied `*` takes all. Objects on which nothing is left are not in the answer.
    """
    index = role_set.kind("db")
    allowing = [role_set.roles[number] for number in bits(index.allow.mask(database.labels))]
    traits = role_set.traits
    allow = list(_compiled((one for role in allowing for one in role.spec.allow.db_permissions), traits, False))
    deny = list(_compiled((one for role in role_set.roles for one in role.spec.deny.db_permissions), traits, True))
    answer: list[tuple[DatabaseObject, tuple[str, ...]]] = []
    for one, labels in objects:
        left = _collected(allow, labels) - {WILDCARD}
        denied = _collected(deny, labels)
        left = set() if WILDCARD in denied else left - denied
        if left:
            answer.append((one, tuple(sorted(left))))
    return answer


def _compiled(
    written: Iterable[DatabasePermission], traits: Traits, is_deny: bool
) -> Iterator[tuple[LabelSelector, frozenset[str]]]:
    """A permission without labels is for no object in allow; in deny for every one, as is one that cannot be read."""
    for permission in written:
        names = frozenset(name.strip().upper() for name in permission.permissions)
        try:
            selector = LabelSelector(
                {key: templates.expand(values, traits) for key, values in permission.match.items()}
            )
        except BadParameter:
            if is_deny:
                yield LabelSelector({WILDCARD: [WILDCARD]}), frozenset({WILDCARD})
            continue
        if is_deny and selector.is_empty:
            selector = LabelSelector({WILDCARD: [WILDCARD]})
        yield selector, names


def _collected(compiled: Iterable[tuple[LabelSelector, frozenset[str]]], labels: Mapping[str, str]) -> set[str]:
    return {name for selector, names in compiled if selector.matches(labels) for name in names}
