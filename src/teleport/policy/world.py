"""All that a question about access is asked of: roles, users, resources, settings, locks, lists.

Made of documents (a file, or what a cluster answered); questions are then decided as the cluster would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.identity import Identity
from teleport.model.kinds import parse_ref
from teleport.model.resource import Resource
from teleport.model.resources import presets
from teleport.model.resources.access_list import AccessList, AccessListMember
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.policy.access import AccessState
from teleport.policy.access_lists import AccessLists, Person
from teleport.policy.role_set import RoleSet
from teleport.policy.templates import Traits

_R = TypeVar("_R", bound=Resource)
CLUSTER = "example.com"
_LIFETIME = timedelta(hours=1)


class World:
    """Presets are roles like those written, which stand in for presets of their name."""

    def __init__(
        self, resources: Iterable[Resource] = (), *, cluster: str = CLUSTER, with_presets: bool = True
    ) -> None:
        """Raises BadParameter for two documents of one kind and name."""
        self.cluster = cluster
        self.roles: dict[str, Role] = {}
        self._found: dict[tuple[str, str], Resource] = {}
        for one in resources:
            key = (one.kind, one.key)
            if key in self._found:
                raise BadParameter(f"{one.kind} {one.display_name!r} is there twice")
            self._found[key] = one
            if isinstance(one, Role):
                self.roles[one.name] = one
        if with_presets:
            self.roles = {role.name: role for role in presets.presets("no-login-preset")} | self.roles
        self._lists = AccessLists(self.of(AccessList), self.of(AccessListMember))

    def of(self, kind: type[_R]) -> list[_R]:
        """All of a kind."""
        return [one for one in self._found.values() if isinstance(one, kind)]

    def of_kind(self, kind: str) -> list[Resource]:
        """All of a kind, by its name, in the order in which they came."""
        return [one for (found, _), one in self._found.items() if found == kind]

    def find(self, ref: str) -> Resource:
        """`node/web1`: by name, key or, of servers, host name. Raises BadParameter, NotFound."""
        parsed = parse_ref(ref)
        if not parsed.name:
            raise BadParameter(f"{ref!r} names no {parsed.kind.name}, expected {parsed.kind.name}/NAME")
        if parsed.kind.name == "role" and parsed.name in self.roles:
            return self.roles[parsed.name]
        for one in self.of_kind(parsed.kind.name):
            if parsed.name in (one.name, one.key) or (isinstance(one, Node) and parsed.name == one.hostname):
                return one
        raise NotFound(f"there is no {parsed.kind.name} {parsed.name!r}")

    def user(self, name: str) -> User:
        """Raises NotFound."""
        found = self._found.get(("user", name))
        if not isinstance(found, User):
            raise NotFound(f"there is no user {name!r}")
        return found

    def role_set(
        self, user: str, now: datetime, *, as_roles: Sequence[str] = (), traits: Traits | None = None
    ) -> RoleSet:
        """As after a login now: own roles and traits, and those of access lists; `as_roles` and `traits` instead.

        Raises NotFound for a user or role that is not there.
        """
        names, found = tuple(as_roles), dict(traits or {})
        if not as_roles or traits is None:
            names_of, traits_of = self.holdings(user, now, is_optional=bool(as_roles) or not user)
            names = names or names_of
            found = found if traits is not None else dict(traits_of)
        return RoleSet.of([self.role(name) for name in names], found, user, cluster=self.cluster)

    def role(self, name: str) -> Role:
        """Raises NotFound."""
        if name not in self.roles:
            raise NotFound(f"there is no role {name!r}")
        return self.roles[name]

    def holdings(
        self, user: str, now: datetime, *, is_optional: bool = False
    ) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """Roles and traits of a user, with what access lists give. `is_optional`: nobody has nothing."""
        found = self._found.get(("user", user))
        if not isinstance(found, User):
            if is_optional:
                return (), {}
            raise NotFound(f"there is no user {user!r}")
        spec = found.spec
        person = Person(name=user, roles=tuple(spec.roles), traits=spec.traits)
        granted = self._lists.grants(person, now)
        traits: dict[str, dict[str, None]] = {name: dict.fromkeys(values) for name, values in spec.traits.items()}
        for name, values in granted.traits.items():
            traits.setdefault(name, {}).update(dict.fromkeys(values))
        roles = tuple(dict.fromkeys((*spec.roles, *granted.roles)))
        return roles, {name: tuple(values) for name, values in traits.items()}

    @property
    def preference(self) -> ClusterAuthPreference:
        found = self.of(ClusterAuthPreference)
        return found[0] if found else ClusterAuthPreference()

    def state(
        self,
        role_set: RoleSet,
        now: datetime,
        *,
        mfa: bool = False,
        device: bool = False,
        key_policy: str = "",
        source_ip: str = "",
        pinned_ip: str = "",
    ) -> AccessState:
        """Of a certificate that this person would have now. Locks are as fresh as they can be."""
        identity = Identity(
            username=role_set.username,
            cluster=self.cluster,
            expires=now + _LIFETIME,
            roles=role_set.names,
            traits=dict(role_set.traits),
            mfa_verified="device" if mfa else "",
            device_id="device" if device else "",
            device_credential_id="credential" if device else "",
            private_key_policy=key_policy,
            pinned_ip=pinned_ip or (source_ip if role_set.options.pin_source_ip else ""),
            bot_name=self._bot(role_set.username),
        )
        return AccessState.of(
            identity,
            self.preference,
            source_ip=source_ip,
            now=now,
            locks=self.of(Lock),
            locks_age=timedelta(),
        )

    def _bot(self, username: str) -> str:
        found = self._found.get(("user", username))
        return found.metadata.labels.get("teleport.internal/bot", "") if isinstance(found, User) else ""

    def with_roles(self, roles: Mapping[str, Role]) -> World:
        """The same with these roles in place of those of their names."""
        kept = [one for one in self._found.values() if one.kind != "role"]
        return World([*kept, *(self.roles | dict(roles)).values()], cluster=self.cluster, with_presets=False)
