"""What a role gives that whoever writes it does not hold: told in the plan and in the audit event, not refused.

Values are compared as they are written, patterns and templates too: what cannot be told to be held counts as more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import RoleConditions

MOST = 50
_ANY = "*"
_VALUES = (
    "logins", "windows_desktop_logins", "kubernetes_groups", "kubernetes_users", "db_users", "db_names", "db_roles",
    "aws_role_arns", "azure_identities", "gcp_service_accounts", "host_groups", "host_sudoers", "desktop_groups",
)  # fmt: skip
_SELECTORS = (
    "node", "cluster", "kubernetes", "db", "db_service", "app", "windows_desktop", "group", "workload_identity",
)  # fmt: skip


def beyond(held: Sequence[Role], role: Role) -> list[str]:
    """`logins: root`, `node_labels`, `rules: update role`; `held` are the writer's roles. At most MOST."""
    allows = [one.spec.allow for one in held]
    new = role.spec.allow
    found = [*_values(allows, new), *_selectors(allows, new), *_rules(allows, new), *_others(allows, new)]
    return found[:MOST]


def _values(held: Sequence[RoleConditions], new: RoleConditions) -> Iterator[str]:
    for name in _VALUES:
        own = {value for one in held for value in getattr(one, name)}
        if _ANY not in own:
            yield from (f"{name}: {value}" for value in getattr(new, name) if value not in own)


def _selectors(held: Sequence[RoleConditions], new: RoleConditions) -> Iterator[str]:
    for kind in _SELECTORS:
        labels, expression = getattr(new, f"{kind}_labels"), getattr(new, f"{kind}_labels_expression")
        if not labels and not expression:
            continue
        own = [(getattr(one, f"{kind}_labels"), getattr(one, f"{kind}_labels_expression")) for one in held]
        if (labels, expression) not in own and not any(_is_everything(*one) for one in own):
            yield f"{kind}_labels"


def _is_everything(labels: dict[str, list[str]], expression: str) -> bool:
    return not expression and list(labels.get(_ANY, ())) == [_ANY] and len(labels) == 1


def _rules(held: Sequence[RoleConditions], new: RoleConditions) -> Iterator[str]:
    own = {(kind, verb) for one in held for rule in one.rules if not rule.where for kind in rule.resources
           for verb in rule.verbs}  # fmt: skip
    conditional = [rule for one in held for rule in one.rules if rule.where]
    for rule in new.rules:
        if rule in conditional:
            continue
        for kind in rule.resources:
            for verb in rule.verbs:
                if not own & {(kind, verb), (kind, _ANY), (_ANY, verb), (_ANY, _ANY)}:
                    yield f"rules: {verb} {kind}"


def _others(held: Sequence[RoleConditions], new: RoleConditions) -> Iterator[str]:
    for name in ("impersonate", "request", "review_requests", "join_sessions"):
        value = getattr(new, name)
        if value and all(getattr(one, name) != value for one in held):
            yield name
