"""RoleSet: all roles of a person, for that person: templates expanded, conditions compiled, options merged.

Made once, asked often. Parts are compiled when first asked for and kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TypeVar

from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.identity import Identity, ResourceId
from teleport.model.resources import presets
from teleport.model.resources.role import IMPLICIT_ROLE, Role
from teleport.policy import schedules
from teleport.policy.matching import FIELDS, Compiler, FieldIndex, KindIndex, Problem, bits
from teleport.policy.options import MergedOptions, SessionMFA, merge
from teleport.policy.schedules import Span
from teleport.policy.templates import Traits

_MAX_VARIANTS = 32
_T = TypeVar("_T")

# kind -> name of its label selector in roles
SELECTORS = {
    "node": "node",
    "remote_cluster": "cluster",
    "kube_cluster": "kubernetes",
    "kube_server": "kubernetes",
    "db": "db",
    "db_server": "db",
    "db_service": "db_service",
    "app": "app",
    "app_server": "app",
    "saml_idp_service_provider": "app",
    "windows_desktop": "windows_desktop",
    "dynamic_windows_desktop": "windows_desktop",
    "user_group": "group",
    "workload_identity": "workload_identity",
}


class RoleSet:
    """Immutable to its users. `names` are the roles in order of name, without the implicit one.

    `allowed_resources`, when given, are the only resources that may be reached (a resource access request);
    `cluster` is the name of the cluster that decides. Where roles have schedules, ask `at` a moment: the set itself
    is what holds at any time.
    """

    def __init__(
        self,
        roles: Iterable[Role],
        traits: Traits,
        username: str,
        *,
        allowed_resources: Sequence[ResourceId] = (),
        cluster: str = "",
        span: Span | None = None,
        moments: _Moments | None = None,
    ) -> None:
        """`span` and `moments` are of the set at a moment: use `at`."""
        given = {role.name: role for role in roles if role.name != IMPLICIT_ROLE}
        # by name, so that no answer depends on the order in which roles were given
        self.written: tuple[Role, ...] = tuple(given[name] for name in sorted(given))
        self.is_scheduled = schedules.is_scheduled(self.written)
        self.span = span or schedules.span(self.written, None)
        self.given: tuple[Role, ...] = self.written if not self.is_scheduled else _in_force(self.written, self.span)
        self.roles: tuple[Role, ...] = (*self.given, _implicit())
        self.username = username
        self.traits: dict[str, tuple[str, ...]] = {name: tuple(values) for name, values in traits.items()}
        self.allowed_resources = tuple(allowed_resources)
        self.cluster = cluster
        self._compiler = Compiler(self.roles, self.traits, self.user)
        self._kinds: dict[str, KindIndex] = {}
        self._fields: dict[str, FieldIndex] = {}
        self._kept: dict[object, object] = {}
        self._moments = moments or _Moments(self)

    @classmethod
    def of(
        cls,
        roles: Iterable[Role],
        traits: Traits,
        username: str,
        *,
        allowed_resources: Sequence[ResourceId] = (),
        cluster: str = "",
    ) -> RoleSet:
        return cls(roles, traits, username, allowed_resources=allowed_resources, cluster=cluster)

    @classmethod
    def for_identity(cls, identity: Identity, roles: Iterable[Role], cluster: str = "") -> RoleSet:
        """Of the roles given, those that the certificate names, with its traits and its limits.

        Raises AccessDenied when one is not there: it may have denied something, without it nothing can be said.
        """
        present = {role.name: role for role in roles}
        return cls(
            _all_of(identity.roles, present),
            identity.traits,
            identity.username,
            allowed_resources=identity.allowed_resources,
            cluster=cluster or identity.cluster,
        )

    def at(self, now: datetime | None) -> RoleSet:
        """As it is at a moment: what the sections say whose schedule is open. Itself when no role has a schedule.

        Without a moment, as for any time: a scheduled allow is out of force, a scheduled deny in force.
        """
        return self._moments.at(now)

    def next_change(self, now: datetime) -> datetime | None:
        """When a schedule of a role opens or closes next, so that it is time to decide again; None for never."""
        return self._moments.until(now)

    @property
    def without_hours(self) -> RoleSet:
        """As if every allow were in force: tells whether it is the hour alone that stands against it."""
        everyone = (1 << len(self.written)) - 1
        return self._moments.variant(Span(everyone, self.span.deny))

    @property
    def at_most(self) -> RoleSet:
        """With every allow in force and no deny that has hours: what a certificate may name for its whole life."""
        if not self.is_scheduled:
            return self
        everyone = (1 << len(self.written)) - 1
        lasting = sum(1 << number for number, role in enumerate(self.written) if not role.spec.deny.schedule)
        return self._moments.variant(Span(everyone, lasting))

    @cached_property
    def closed_mask(self) -> int:
        """The roles that deny every resource now: their deny has a schedule in force and nothing else."""
        return self._where(lambda role: role.spec.deny.is_schedule_alone)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(role.name for role in self.given)

    @property
    def user(self) -> dict[str, object]:
        """What expressions call `user`."""
        return {
            "name": self.username,
            "roles": tuple(role.name for role in self.given),
            "metadata": {"name": self.username},
            "spec": {"roles": tuple(role.name for role in self.given), "traits": self.traits},
        }

    @cached_property
    def options(self) -> MergedOptions:
        return merge(self.given, self.traits)

    @cached_property
    def session_mfa(self) -> tuple[SessionMFA, ...]:
        """What each role asks, in the order of `roles`."""
        return tuple(SessionMFA.of(role.spec.options.require_session_mfa) for role in self.roles)

    @cached_property
    def mfa_mask(self) -> int:
        """The roles that want a second factor for each session."""
        return sum(1 << number for number, asked in enumerate(self.session_mfa) if asked.per_session)

    @cached_property
    def device_mask(self) -> int:
        """The roles that want a trusted device of everyone."""
        return self._where(lambda role: role.spec.options.device_trust_mode == "required")

    @cached_property
    def human_device_mask(self) -> int:
        """The roles that want a trusted device of people, not of bots."""
        return self._where(lambda role: role.spec.options.device_trust_mode == "required-for-humans")

    def kind(self, kind: str) -> KindIndex:
        """The label conditions of a kind. Raises BadParameter for a kind that roles do not select by labels."""
        found = self._kinds.get(kind)
        if found is None:
            if kind not in SELECTORS:
                raise BadParameter(f"access to kind {kind!r} is not decided by labels")
            found = self._kinds[kind] = self._compiler.kind(SELECTORS[kind])
        return found

    def field(self, name: str) -> FieldIndex:
        """The values of a list field (`logins`, `db_users`, ...). Raises BadParameter for another name."""
        found = self._fields.get(name)
        if found is None:
            if name not in FIELDS:
                raise BadParameter(f"{name!r} is not a field that access is decided by")
            found = self._fields[name] = self._compiler.field(name)
        return found

    def problems(self) -> tuple[Problem, ...]:
        """What could not be read in the roles, as far as it was looked at."""
        return tuple(self._compiler.problems)

    def note(self, problem: Problem) -> None:
        """A part of a role that cannot be read, found by whoever compiles it."""
        self._compiler.problems[problem] = None

    def kept(self, key: object, build: Callable[[], _T]) -> _T:
        """A value derived from the roles, built once."""
        if key not in self._kept:
            self._kept[key] = build()
        return self._kept[key]  # type: ignore[return-value]

    def role_names(self, mask: int) -> tuple[str, ...]:
        return tuple(self.roles[number].name for number in bits(mask))

    def _where(self, test: Callable[[Role], bool]) -> int:
        return sum(1 << number for number, role in enumerate(self.roles) if test(role))


class _Moments:
    """One role set at different moments; sections in force being the same, the set is the same."""

    def __init__(self, base: RoleSet) -> None:
        self._base = base
        self._latest: tuple[datetime, datetime | None, RoleSet] | None = None
        self._variants: dict[tuple[int, int], RoleSet] = {}

    def at(self, now: datetime | None) -> RoleSet:
        if now is None or not self._base.is_scheduled:
            return self._base
        if self._latest is not None:
            since, until, found = self._latest
            if since <= now and (until is None or now < until):
                return found
        span = schedules.span(self._base.written, now)
        found = self.variant(span)
        self._latest = (now, span.until, found)
        return found

    def until(self, now: datetime) -> datetime | None:
        """How long the set at `now` holds; None for ever."""
        self.at(now)
        return self._latest[1] if self._latest is not None else None

    def variant(self, span: Span) -> RoleSet:
        found = self._variants.get((span.allow, span.deny))
        if found is None:
            base = self._base
            found = RoleSet(
                base.written,
                base.traits,
                base.username,
                allowed_resources=base.allowed_resources,
                cluster=base.cluster,
                span=span,
                moments=self,
            )
            if len(self._variants) >= _MAX_VARIANTS:
                self._variants.clear()
            self._variants[span.allow, span.deny] = found
        return found


def _in_force(roles: Sequence[Role], span: Span) -> tuple[Role, ...]:
    return tuple(
        schedules.as_of(role, bool(span.allow >> number & 1), bool(span.deny >> number & 1))
        for number, role in enumerate(roles)
    )


@lru_cache(maxsize=1)
def _implicit() -> Role:
    return presets.implicit()


def _all_of(names: Iterable[str], present: Mapping[str, Role]) -> list[Role]:
    found: list[Role] = []
    for name in dict.fromkeys(names):
        role = present.get(name)
        if role is None:
            raise AccessDenied(f"role {name!r} of your certificate does not exist any more: log in again")
        found.append(role)
    return found


class RoleSetMemory:
    """Keeps the role sets last asked for, by what they are made of: roles and revisions, traits, name, limits."""

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._kept: OrderedDict[object, RoleSet] = OrderedDict()

    def for_identity(self, identity: Identity, roles: Mapping[str, Role], cluster: str = "") -> RoleSet:
        """`roles` by name. Raises AccessDenied as RoleSet.for_identity; roles without a revision are not kept."""
        present = _all_of(identity.roles, roles)
        if not all(role.revision for role in present):
            return RoleSet.for_identity(identity, present, cluster)
        key = (
            identity.username,
            tuple((role.name, role.revision) for role in present),
            tuple((name, tuple(values)) for name, values in identity.traits.items()),
            identity.allowed_resources,
            cluster or identity.cluster,
        )
        found = self._kept.pop(key, None) or RoleSet.for_identity(identity, present, cluster)
        self._kept[key] = found
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return found
