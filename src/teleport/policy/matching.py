"""The conditions of many roles, compiled so that one question is asked of all of them at once.

Role number i is bit i of every mask. `KindIndex` answers which roles allow or deny a resource by its labels,
`FieldIndex` which allow or deny a value of a list field (a login, a database user). A condition that cannot be read
never allows; on the deny side it denies everything, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.policy import templates
from teleport.policy.expressions import Expression, Scope
from teleport.policy.languages import LABELS
from teleport.policy.patterns import WILDCARD
from teleport.policy.selectors import LabelSelector, SelectorIndex
from teleport.policy.templates import Traits

_MAX_REMEMBERED = 4096
_EMPTY = LabelSelector({})


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a role that cannot be read. On the deny side it refuses everything it could have refused."""

    role: str
    field: str
    is_deny: bool
    message: str


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class LabelCondition:
    """One role's selector and expression on one side of one kind."""

    __slots__ = ("expression", "is_broken", "selector")

    def __init__(self, selector: LabelSelector, expression: Expression | None, is_broken: bool = False) -> None:
        self.selector = selector
        self.expression = expression
        self.is_broken = is_broken

    @property
    def is_empty(self) -> bool:
        return self.selector.is_empty and self.expression is None and not self.is_broken

    def __str__(self) -> str:
        parts = [] if self.selector.is_empty else [str(self.selector)]
        parts += [self.expression.text] if self.expression is not None else []
        return " and ".join(parts)


class _RememberedExpression:
    """An expression with a bounded memory of its answers, by the labels it reads."""

    __slots__ = ("_answers", "_expression", "_on_failure", "_pick")

    def __init__(self, expression: Expression, on_failure: bool) -> None:
        self._expression = expression
        self._on_failure = on_failure
        self._pick = sorted(expression.labels) if expression.labels is not None else None
        self._answers: dict[object, bool] = {}

    def holds(self, labels: Mapping[str, str]) -> bool:
        if self._pick is None:
            return self._evaluate(labels)
        seen = tuple([labels.get(key) for key in self._pick])
        known = self._answers.get(seen)
        if known is not None:
            return known
        answer = self._evaluate(labels)
        if len(self._answers) > _MAX_REMEMBERED:
            self._answers = {}
        self._answers[seen] = answer
        return answer

    def _evaluate(self, labels: Mapping[str, str]) -> bool:
        try:
            return self._expression.holds({"labels": labels})
        except BadParameter:
            return self._on_failure


class Side:
    """Label conditions of all roles on one side. Allow: selector AND expression; deny: selector OR expression."""

    __slots__ = ("_is_deny", "_only_expression", "_selectors", "_with_expression", "broken", "conditions", "named")

    def __init__(self, conditions: Sequence[LabelCondition], is_deny: bool, excluded: int) -> None:
        """`excluded` roles take no part (their namespaces are others)."""
        self._is_deny = is_deny
        self.conditions = conditions
        in_force = [_EMPTY if excluded >> number & 1 else one.selector for number, one in enumerate(conditions)]
        self._selectors = SelectorIndex(in_force)
        self._with_expression = {
            number: _RememberedExpression(one.expression, on_failure=is_deny)
            for number, one in enumerate(conditions)
            if one.expression is not None and not one.is_broken and not excluded >> number & 1
        }
        self._only_expression = sum(
            1 << number for number in self._with_expression if conditions[number].selector.is_empty
        )
        self.broken = sum(1 << number for number, one in enumerate(conditions) if one.is_broken) if is_deny else 0
        self.named = sum(1 << number for number, one in enumerate(conditions) if not one.is_empty)

    def mask(self, labels: Mapping[str, str]) -> int:
        """The roles whose condition the labels meet."""
        mask = self._selectors.mask(labels)
        if self._is_deny:
            for number, expression in self._with_expression.items():
                if not mask >> number & 1 and expression.holds(labels):
                    mask |= 1 << number
            return mask | self.broken
        candidates = mask | self._only_expression
        for number, expression in self._with_expression.items():
            if candidates >> number & 1 and not expression.holds(labels):
                candidates &= ~(1 << number)
        return candidates

    def any(self, labels: Mapping[str, str]) -> bool:
        """Whether any role's condition is met; stops at the first."""
        mask = self._selectors.mask(labels)
        if self._is_deny:
            return bool(mask | self.broken) or any(one.holds(labels) for one in self._with_expression.values())
        candidates = mask | self._only_expression
        if not candidates:
            return False
        with_expression = self._with_expression
        plain = candidates
        for number in with_expression:
            plain &= ~(1 << number)
        return plain != 0 or any(
            candidates >> number & 1 and one.holds(labels) for number, one in with_expression.items()
        )


class KindIndex:
    """Both sides for one kind of resource."""

    __slots__ = ("allow", "deny", "selector")

    def __init__(self, selector: str, allow: Side, deny: Side) -> None:
        self.selector = selector
        self.allow = allow
        self.deny = deny


class FieldRule(msgspec.Struct, frozen=True, kw_only=True):
    """How the values of a list field compare. A wildcard in deny always denies everything."""

    allows_wildcard: bool = False
    folds_case: bool = False
    is_unix_name: bool = False
    forbidden_characters: str = ""


FIELDS: dict[str, FieldRule] = {
    "logins": FieldRule(is_unix_name=True),
    "windows_desktop_logins": FieldRule(forbidden_characters='"/\\[]:;|=,+*?<>'),
    "db_users": FieldRule(allows_wildcard=True),
    "db_names": FieldRule(allows_wildcard=True),
    "db_roles": FieldRule(),
    "kubernetes_groups": FieldRule(),
    "kubernetes_users": FieldRule(),
    "aws_role_arns": FieldRule(),
    "azure_identities": FieldRule(folds_case=True),
    "gcp_service_accounts": FieldRule(),
    "host_groups": FieldRule(),
    "host_sudoers": FieldRule(),
    "desktop_groups": FieldRule(),
}


class FieldIndex:
    """One list field of all roles: which roles have a value, and what values each role has."""

    __slots__ = ("_allow", "_deny", "_rule", "allow_any", "allowed", "broken", "denied", "deny_any")

    def __init__(
        self, rule: FieldRule, allowed: Sequence[Sequence[str]], denied: Sequence[Sequence[str]], broken: int
    ) -> None:
        self._rule = rule
        self.allowed = allowed
        self.denied = denied
        self.broken = broken
        self.allow_any, self._allow = self._masks(allowed)
        self.deny_any, self._deny = self._masks(denied)
        if not rule.allows_wildcard:
            self.allow_any = 0

    def _masks(self, values: Sequence[Sequence[str]]) -> tuple[int, dict[str, int]]:
        wildcard, masks = 0, dict[str, int]()
        for number, listed in enumerate(values):
            for value in listed:
                if value == WILDCARD:
                    wildcard |= 1 << number
                else:
                    key = self._key(value)
                    masks[key] = masks.get(key, 0) | 1 << number
        return wildcard, masks

    def _key(self, value: str) -> str:
        return value.casefold() if self._rule.folds_case else value

    def allow_mask(self, value: str) -> int:
        return self._allow.get(self._key(value), 0) | self.allow_any

    def deny_mask(self, value: str) -> int:
        return self._deny.get(self._key(value), 0) | self.deny_any | self.broken

    def values(self, mask: int) -> list[str]:
        """What the roles of the mask allow, less what any role denies; a wildcard is not a value."""
        if self.broken or self.deny_any:
            return []
        found = dict.fromkeys(value for number in bits(mask) for value in self.allowed[number] if value != WILDCARD)
        return [value for value in found if not self._deny.get(self._key(value), 0)]


class Compiler:
    """Compiles conditions of roles for one person; collects what could not be read."""

    def __init__(self, roles: Sequence[Role], traits: Traits, user: Scope) -> None:
        self._roles = roles
        self._traits = traits
        self._user = user
        self.problems: dict[Problem, None] = {}

    def kind(self, selector: str) -> KindIndex:
        allow = [self._condition(role, selector, is_deny=False) for role in self._roles]
        deny = [self._condition(role, selector, is_deny=True) for role in self._roles]
        return KindIndex(
            selector,
            Side(allow, is_deny=False, excluded=self._elsewhere(is_deny=False)),
            Side(deny, is_deny=True, excluded=self._elsewhere(is_deny=True)),
        )

    def field(self, name: str) -> FieldIndex:
        rule = FIELDS[name]
        broken = 0
        allowed, denied = list[list[str]](), list[list[str]]()
        for number, role in enumerate(self._roles):
            allowed.append(self._values(role, name, rule, is_deny=False) or [])
            values = self._values(role, name, rule, is_deny=True)
            denied.append(values or [])
            broken |= 1 << number if values is None else 0
        return FieldIndex(rule, allowed, denied, broken)

    def _elsewhere(self, is_deny: bool) -> int:
        mask = 0
        for number, role in enumerate(self._roles):
            namespaces = (role.spec.deny if is_deny else role.spec.allow).namespaces
            if namespaces and "default" not in namespaces and WILDCARD not in namespaces:
                mask |= 1 << number
        return mask

    def _condition(self, role: Role, selector: str, is_deny: bool) -> LabelCondition:
        side = role.spec.deny if is_deny else role.spec.allow
        written = side.selector(selector) if is_deny else role.allow_labels(selector)
        text = side.expression(selector)
        field = f"{selector}_labels"
        try:
            compiled = LabelSelector(self._expanded(written))
            field = f"{selector}_labels_expression"
            expression = Expression(text, LABELS, {"user": self._user}) if text else None
        except BadParameter as problem:
            self._note(role, field, is_deny, problem)
            return LabelCondition(_EMPTY, None, is_broken=True)
        return LabelCondition(compiled, expression)

    def _expanded(self, selector: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Keys and values of this person. A key or value without a text, for an absent trait, matches nothing."""
        found: dict[str, list[str]] = {}
        for key, values in selector.items():
            keys = templates.expand([key], self._traits) if "{{" in key else [key]
            found[keys[0] if keys else ""] = templates.expand(values, self._traits)
        return found

    def _values(self, role: Role, name: str, rule: FieldRule, is_deny: bool) -> list[str] | None:
        """None for a deny that cannot be read; in allow, entries that cannot be read are left out."""
        written: list[str] = getattr(role.spec.deny if is_deny else role.spec.allow, name)
        found: list[str] = []
        for text in written:
            try:
                found += templates.expand([text], self._traits)
            except BadParameter as problem:
                self._note(role, name, is_deny, problem)
                if is_deny:
                    return None
        return [value for value in found if _is_fit(value, rule)]

    def _note(self, role: Role, field: str, is_deny: bool, problem: BadParameter) -> None:
        section = "deny" if is_deny else "allow"
        found = Problem(role=role.name, field=f"{section}.{field}", is_deny=is_deny, message=problem.message)
        self.problems[found] = None


def _is_fit(value: str, rule: FieldRule) -> bool:
    """A lone wildcard is kept: it means everything in deny, and nothing in allow where it is illegal."""
    if value == WILDCARD:
        return True
    if rule.is_unix_name and not templates.is_unix_name(value):
        return False
    return not any(character in rule.forbidden_characters for character in value)
