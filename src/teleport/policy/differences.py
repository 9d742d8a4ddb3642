"""Who would gain and lose what if roles were others: users against resources, rules and options, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from teleport.foundation.errors import NotFound
from teleport.model.kinds import RULE_VERBS
from teleport.model.resource import Resource
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.model.values import Duration
from teleport.policy.access import display_name, logins_for, visible
from teleport.policy.actions import may_any
from teleport.policy.applications import cloud_identities
from teleport.policy.databases import choices
from teleport.policy.desktops import desktop_logins
from teleport.policy.principals import kubernetes_principals
from teleport.policy.role_set import RoleSet
from teleport.policy.world import World

KINDS = ("node", "db", "kube_cluster", "app", "windows_desktop")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing gained or lost, at these resources (none for a verb on a kind, which `what` names)."""

    what: str
    kind: str
    resources: tuple[str, ...] = ()


class OptionChange(msgspec.Struct, frozen=True):
    option: str
    before: str
    after: str


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    gained: tuple[Change, ...] = ()
    lost: tuple[Change, ...] = ()
    options: tuple[OptionChange, ...] = ()
    problem: str = ""


def compare(world: World, roles: Iterable[Role], now: datetime) -> Iterator[UserChange]:
    """By user, those that change. `roles` stand in for roles of their names, or come new."""
    changed = {role.name: role for role in roles}
    after = world.with_roles(changed)
    kinds = _kinds_of_rules([*world.roles.values(), *changed.values()])
    resources = [one for kind in KINDS for one in world.of_kind(kind)]
    for user in sorted(world.of(User), key=lambda one: one.name):
        names, _ = world.holdings(user.name, now)
        if not changed.keys().isdisjoint(names):
            found = _of_user(user.name, world, after, resources, kinds, now)
            if found is not None:
                yield found


def _kinds_of_rules(roles: Iterable[Role]) -> tuple[str, ...]:
    found = {
        kind
        for role in roles
        for side in (role.spec.allow, role.spec.deny)
        for rule in side.rules
        for kind in rule.resources
    }
    return tuple(sorted(found))


def _of_user(
    user: str, before: World, after: World, resources: Sequence[Resource], kinds: Sequence[str], now: datetime
) -> UserChange | None:
    try:
        old = before.role_set(user, now).at(now)
    except NotFound as problem:
        return UserChange(user=user, problem=problem.message)
    new = after.role_set(user, now).at(now)
    gained: dict[tuple[str, str], list[str]] = {}
    lost: dict[tuple[str, str], list[str]] = {}
    for resource in resources:
        had, has = holdings(old, resource), holdings(new, resource)
        for found, words in ((gained, has - had), (lost, had - has)):
            for word in words:
                found.setdefault((resource.kind, word), []).append(display_name(resource))
    had_verbs, has_verbs = _verbs(old, kinds), _verbs(new, kinds)
    options = tuple(_options(old, new))
    change = UserChange(
        user=user,
        gained=_changes(gained, has_verbs - had_verbs),
        lost=_changes(lost, had_verbs - has_verbs),
        options=options,
    )
    return change if change.gained or change.lost or change.options else None


def holdings(role_set: RoleSet, resource: Resource) -> frozenset[str]:
    """What a person may do with a resource, in words; for the set at the moment."""
    if not visible(role_set, resource):
        return frozenset()
    return frozenset({"see", *_words(role_set, resource)})


def _words(role_set: RoleSet, resource: Resource) -> Iterator[str]:
    if isinstance(resource, Node):
        yield from (f"log in as {login}" for login in logins_for(role_set, resource))
    elif resource.kind == "windows_desktop":
        yield from (f"log in as {login}" for login in desktop_logins(role_set, resource))
    elif resource.kind == "db":
        found = choices(role_set, resource)
        yield from (f"connect as {user}" for user in found.users)
        yield from (f"open database {name}" for name in found.names)
        yield from ["connect as anyone"] if found.any_user else []
        yield from ["open any database"] if found.any_name else []
    elif resource.kind == "kube_cluster":
        principals = kubernetes_principals(role_set, resource)
        yield from (f"act as user {name}" for name in principals.users)
        yield from (f"act in group {name}" for name in principals.groups)
    elif resource.kind == "app":
        identities = cloud_identities(role_set, resource)
        for field in identities.__struct_fields__:
            yield from (f"use {name}" for name in getattr(identities, field))


def _verbs(role_set: RoleSet, kinds: Sequence[str]) -> frozenset[tuple[str, str]]:
    return frozenset((verb, kind) for kind in kinds for verb in RULE_VERBS if may_any(role_set, verb, kind).allowed)


def _changes(found: dict[tuple[str, str], list[str]], verbs: Iterable[tuple[str, str]]) -> tuple[Change, ...]:
    made = [
        Change(what=word, kind=kind, resources=tuple(sorted(names))) for (kind, word), names in sorted(found.items())
    ]
    return (*made, *(Change(what=verb, kind=kind) for verb, kind in sorted(verbs, key=lambda one: one[::-1])))


def _options(old: RoleSet, new: RoleSet) -> Iterator[OptionChange]:
    before, after = old.options, new.options
    for name in before.__struct_fields__:
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield OptionChange(name, _text(one), _text(other))
    for name, had, has in (
        ("require_session_mfa", bool(old.mfa_mask), bool(new.mfa_mask)),
        ("device_trust_mode", bool(old.device_mask), bool(new.device_mask)),
    ):
        if had is not has:
            yield OptionChange(name, _text(had), _text(has))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return str(Duration.of(value)) if value else "none"
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "none"
    return str(value) or "none"
