"""What a user holds by access lists, as told at the last login and at each change since; and what was taken back,
by a list, by the provider that the user logs in with, or by whoever changed the user.

Certificates outlive a membership. Whoever admits people asks `withdrawn_from`, so that they do not get on with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Self

import msgspec

from teleport.model.identity import Identity
from teleport.model.resource import Model, Resource
from teleport.model.resources.user import User
from teleport.model.values import Instant, StringList, Traits

_GIVER = "an access list, or a group at your provider,"


class UserLoginStateSpec(Model):
    """`withdrawn_*` until when a certificate from before may be about. `request_roles` are roles that access requests
    gave after they were withdrawn, by request.
    """

    access_list_roles: StringList = []
    access_list_traits: Traits = {}
    member_of: StringList = []
    owner_of: StringList = []
    withdrawn_roles: dict[str, Instant] = {}
    withdrawn_traits: dict[str, dict[str, Instant]] = {}
    request_roles: dict[str, StringList] = {}


class UserLoginState(Resource):
    KIND: ClassVar[str] = "user_login_state"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: UserLoginStateSpec = msgspec.field(default_factory=UserLoginStateSpec)

    def check_spec(self) -> None:
        """Written by the system alone."""

    def withdrawn_from(self, identity: Identity, user: User | None, now: datetime) -> str:
        """What in the certificate was taken back, in words; empty when nothing was."""
        spec = self.spec
        own = set(user.spec.roles if user else ()) | set(spec.access_list_roles)
        own.update(role for name in identity.active_requests for role in spec.request_roles.get(name, ()))
        for role in identity.roles:
            until = spec.withdrawn_roles.get(role)
            if until is not None and until > now and role not in own:
                return f'role "{role}" was taken from you, or came by {_GIVER} you are no longer in: log in again'
        for trait, until_by_value in spec.withdrawn_traits.items():
            kept = {*(user.spec.traits.get(trait, ()) if user else ()), *spec.access_list_traits.get(trait, ())}
            for value in identity.traits.get(trait, ()):
                until = until_by_value.get(value)
                if until is not None and until > now and value not in kept:
                    return f'trait "{trait}: {value}" came by {_GIVER} you are no longer in: log in again'
        return ""

    def without(
        self, roles: Iterable[str], traits: Mapping[str, Iterable[str]], *, until: datetime
    ) -> UserLoginState:
        """The same, with these withdrawn until `until` from certificates from before."""
        withdrawn = {name: dict(ends) for name, ends in self.spec.withdrawn_traits.items()}
        for trait, values in traits.items():
            withdrawn.setdefault(trait, {}).update(dict.fromkeys(values, until))
        spec = msgspec.structs.replace(
            self.spec,
            withdrawn_roles={**self.spec.withdrawn_roles, **dict.fromkeys(roles, until)},
            withdrawn_traits={name: ends for name, ends in withdrawn.items() if ends},
        )
        return msgspec.structs.replace(self, spec=spec)

    def moved(
        self,
        roles: Sequence[str],
        traits: Mapping[str, Sequence[str]],
        *,
        member_of: Iterable[str],
        owner_of: Iterable[str],
        now: datetime,
        until: datetime,
    ) -> Self:
        """The same with what lists give now; what they gave and no longer give is withdrawn until `until`."""
        old = self.spec
        lost_roles = {role: until for role in old.access_list_roles if role not in roles}
        withdrawn_roles = {role: end for role, end in old.withdrawn_roles.items() if end > now and role not in roles}
        withdrawn_traits: dict[str, dict[str, datetime]] = {}
        for trait, ends in old.withdrawn_traits.items():
            for value, end in ends.items():
                if end > now and value not in traits.get(trait, ()):
                    withdrawn_traits.setdefault(trait, {})[value] = end
        for trait, values in old.access_list_traits.items():
            for value in values:
                if value not in traits.get(trait, ()):
                    withdrawn_traits.setdefault(trait, {})[value] = until
        withdrawn = {**withdrawn_roles, **lost_roles}
        spec = UserLoginStateSpec(
            access_list_roles=list(roles),
            access_list_traits={trait: list(values) for trait, values in traits.items()},
            member_of=list(member_of),
            owner_of=list(owner_of),
            withdrawn_roles=withdrawn,
            withdrawn_traits=withdrawn_traits,
            request_roles=old.request_roles if withdrawn else {},
        )
        return msgspec.structs.replace(self, spec=spec)

    @property
    def is_empty(self) -> bool:
        """Nothing is given and nothing withdrawn, so that nobody needs to know of it."""
        spec = self.spec
        return not (spec.member_of or spec.owner_of or spec.withdrawn_roles or spec.withdrawn_traits)
