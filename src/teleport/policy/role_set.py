"""RoleSet: all roles of a person, for that person: templates expanded, conditions compiled, options merged.

Made once, asked often. Parts are compiled when first asked for and kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TypeVar

from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.identity import Identity, ResourceId
from teleport.model.resources import presets
from teleport.model.resources.role import IMPLICIT_ROLE, Role
from teleport.policy.matching import FIELDS, Compiler, FieldIndex, KindIndex, Problem, bits
from teleport.policy.options import MergedOptions, SessionMFA, merge
from teleport.policy.templates import Traits

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
    `cluster` is the name of the cluster that decides.
    """

    def __init__(
        self,
        roles: Iterable[Role],
        traits: Traits,
        username: str,
        *,
        allowed_resources: Sequence[ResourceId] = (),
        cluster: str = "",
    ) -> None:
        given = {role.name: role for role in roles if role.name != IMPLICIT_ROLE}
        # by name, so that no answer depends on the order in which roles were given
        self.given: tuple[Role, ...] = tuple(given[name] for name in sorted(given))
        self.roles: tuple[Role, ...] = (*self.given, _implicit())
        self.username = username
        self.traits: dict[str, tuple[str, ...]] = {name: tuple(values) for name, values in traits.items()}
        self.allowed_resources = tuple(allowed_resources)
        self.cluster = cluster
        self._compiler = Compiler(self.roles, self.traits, self.user)
        self._kinds: dict[str, KindIndex] = {}
        self._fields: dict[str, FieldIndex] = {}
        self._kept: dict[object, object] = {}

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

    def kept(self, key: object, build: Callable[[], _T]) -> _T:
        """A value derived from the roles, built once."""
        if key not in self._kept:
            self._kept[key] = build()
        return self._kept[key]  # type: ignore[return-value]

    def role_names(self, mask: int) -> tuple[str, ...]:
        return tuple(self.roles[number].name for number in bits(mask))

    def _where(self, test: Callable[[Role], bool]) -> int:
        return sum(1 << number for number, role in enumerate(self.roles) if test(role))


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
