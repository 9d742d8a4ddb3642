"""Why nothing allowed it: for each role that speaks of the kind, the first thing that kept it from allowing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teleport.policy.asked import Asked
from teleport.policy.decision import Code, Reason
from teleport.policy.matching import KindIndex, bits
from teleport.policy.patterns import PatternSet
from teleport.policy.role_set import RoleSet

_MAX_NOTES = 64
_MAX_REMEMBERED = 4096


def near_misses(
    role_set: RoleSet,
    kind: str,
    name: str,
    labels: Mapping[str, str],
    asked: Sequence[Asked],
) -> tuple[Reason, ...]:
    """In the order of roles."""
    index = role_set.kind(kind)
    by_labels = index.allow.mask(labels)
    notes: list[Reason] = []
    for number in bits(index.allow.named):
        if len(notes) == _MAX_NOTES:
            break
        if not by_labels >> number & 1:
            notes.append(_label_note(role_set, index, kind, number, labels))
            continue
        unmet = next((one for one in asked if not one.allow >> number & 1), None)
        if unmet is not None:
            role = role_set.roles[number].name
            notes.append(
                Reason(
                    code=Code.MATCHER_DIFFERS,
                    kind=kind,
                    name=name,
                    role=role,
                    field=unmet.name,
                    value=unmet.value,
                    wanted=unmet.wanted(number),
                )
            )
    return tuple(notes)


def _label_note(role_set: RoleSet, index: KindIndex, kind: str, number: int, labels: Mapping[str, str]) -> Reason:
    condition = index.allow.conditions[number]
    difference = condition.selector.difference(labels)
    if difference is None:
        return _other_note(role_set, index, kind, number)
    key, values = difference
    found = labels.get(key)
    remembered: dict[tuple[int, str, str | None], Reason] = role_set.kept(("label notes", kind), dict)
    note = remembered.get((number, key, found))
    if note is None:
        if len(remembered) > _MAX_REMEMBERED:
            remembered.clear()
        note = remembered[number, key, found] = _difference(role_set, index, kind, number, key, values, found)
    return note


def _difference(
    role_set: RoleSet, index: KindIndex, kind: str, number: int, key: str, values: PatternSet, found: str | None
) -> Reason:
    return Reason(
        code=Code.LABELS_DIFFER,
        kind=kind,
        role=role_set.roles[number].name,
        field=f"{index.selector}_labels",
        value=f"{key}: {found}" if found is not None else f"no {key}",
        detail=f"{key}: {', '.join(values.patterns) or 'nothing'}",
    )


def _other_note(role_set: RoleSet, index: KindIndex, kind: str, number: int) -> Reason:
    """The selector is met or absent: it is the expression, the namespace, or a condition that cannot be read."""
    role, condition = role_set.roles[number], index.allow.conditions[number]
    field = f"{index.selector}_labels"
    if condition.is_broken:
        message = next(
            (
                one.message
                for one in role_set.problems()
                if one.role == role.name and one.field.startswith(f"allow.{field}")
            ),
            "",
        )
        return Reason(code=Code.LABELS_DIFFER, kind=kind, role=role.name, field=field, detail=message)
    if condition.expression is not None:
        text = condition.expression.text
        return Reason(code=Code.LABELS_DIFFER, kind=kind, role=role.name, field=f"{field}_expression", detail=text)
    wanted = tuple(role.spec.allow.namespaces)
    return Reason(code=Code.NAMESPACE_DIFFERS, kind=kind, role=role.name, wanted=wanted)
