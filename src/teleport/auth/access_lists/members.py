"""Members of lists, as owners and administrators keep them; and what one may see of a list."""

from __future__ import annotations

import msgspec

from teleport.api.route import Empty
from teleport.api.routes.access_lists import (
    AddMember,
    Audience,
    ListLists,
    ListName,
    Lists,
    ListShown,
    MemberName,
    Members,
    MemberShown,
    Reached,
)
from teleport.auth.access_lists.events import record_members
from teleport.auth.access_lists.grants import person_of
from teleport.auth.access_lists.rules import all_lists, check_member
from teleport.auth.access_lists.standing import View, view_of
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.access_list import AccessList, AccessListMember, AccessListMemberSpec
from teleport.model.resources.user import User
from teleport.policy.access_lists import LIST, AccessLists, Person
from teleport.policy.actions import ActionContext

KINDS = {"user": "MEMBERSHIP_KIND_USER", "list": LIST}
_DEFAULT_LIMIT, _MAX_LIMIT = 500, 5000


class ListMembers:
    """Answers owners, administrators and members."""

    def __init__(self, cluster: Cluster, guard: Guard) -> None:
        self._cluster = cluster
        self._guard = guard

    async def lists(self, caller: Caller, request: ListLists) -> Lists:
        """In order of names."""
        limit = request.limit or _DEFAULT_LIMIT
        if not 0 < limit <= _MAX_LIMIT:
            raise BadParameter(f"limit is {limit}, expected 1 to {_MAX_LIMIT}")
        view = await view_of(self._cluster, self._guard, caller)
        found = [one for one in view.lists.values() if one.name >= request.start]
        more = found[limit].name if len(found) > limit else ""
        page = found[:limit]
        return Lists(tuple(_raw(one) for one in page), more, tuple(view.of(one) for one in page))

    async def get(self, caller: Caller, request: ListName) -> ListShown:
        view = await view_of(self._cluster, self._guard, caller)
        found = _visible(view, request.name)
        return ListShown(_raw(found), view.of(found))

    async def members(self, caller: Caller, request: ListName) -> Members:
        """For whoever runs the list, and for its members."""
        view = await view_of(self._cluster, self._guard, caller)
        found = _visible(view, request.name)
        return Members(tuple(_raw(one) for one in view.members(found.name)), view.titles(found))

    async def of(self, name: str) -> list[AccessListMember]:
        """The list's members."""
        every = self._cluster.store.iterate(AccessListMember)
        return [one async for one in every if one.spec.access_list == name]

    async def add(self, caller: Caller, request: AddMember) -> MemberShown:
        """Raises AccessDenied, BadParameter, NotFound."""
        found = await self.run_by(caller, request.name)
        if request.kind not in KINDS:
            raise BadParameter(f"kind {request.kind!r}: expected user or list")
        now = self._cluster.clock.now()
        if request.expires is not None and request.expires <= now:
            raise BadParameter(f"expires is {request.expires.isoformat()}, which is past")
        new = AccessListMember(
            metadata=Metadata(name=request.member),
            spec=AccessListMemberSpec(
                access_list=found.name,
                name=request.member,
                joined=now,
                expires=request.expires,
                reason=request.reason[:4096],
                added_by=caller.name,
                membership_kind=KINDS[request.kind],  # type: ignore[arg-type]
            ),
        )
        return MemberShown(_raw(await self.put(caller, found, new)))

    async def put(self, caller: Caller, found: AccessList, new: AccessListMember) -> AccessListMember:
        """Write the member of a list that the caller runs."""
        new.check()
        await check_member(self._cluster, self._guard, caller, new)
        old = await self._cluster.store.find(AccessListMember, new.key)
        if old is not None:
            new.spec.joined = old.spec.joined
        written = await self._cluster.store.upsert(new)
        await record_members(self._cluster, caller, "update" if old else "create", found, [written])
        return written

    async def remove(self, caller: Caller, request: MemberName) -> Empty:
        found = await self.run_by(caller, request.name)
        old = await self._cluster.store.find(AccessListMember, f"{found.name}/{request.member}")
        if old is None:
            raise NotFound(f"{request.member!r} is not a member of access list {found.name!r}")
        await self._cluster.store.delete(AccessListMember, old.key)
        await record_members(self._cluster, caller, "delete", found, [old])
        return Empty()

    async def remove_all(self, caller: Caller, request: ListName) -> Empty:
        await self.empty(caller, await self.run_by(caller, request.name))
        return Empty()

    async def empty(self, caller: Caller, found: AccessList) -> None:
        """Take every member off."""
        members = await self.of(found.name)
        for one in members:
            await self._cluster.store.delete(AccessListMember, one.key)
        if members:
            await record_members(self._cluster, caller, "delete_all_members", found, members)

    async def audience(self, caller: Caller, request: ListName) -> Audience:
        """Everybody whom the list reaches as member or owner, also through other lists."""
        await self.run_by(caller, request.name)
        lists, members = await all_lists(self._cluster)
        directory, now = AccessLists(lists, members), self._cluster.clock.now()
        people: list[Reached] = []
        async for user in self._cluster.store.iterate(User):
            person = person_of(user)
            for role, decision in (
                ("owner", directory.ownership(person, request.name, now)),
                ("member", directory.membership(person, request.name, now)),
            ):
                reason = decision.reason
                if decision.allowed:
                    people.append(Reached(user=user.name, role=role, has_grants=True, way=reason.detail))
                elif reason.field or reason.value:
                    detail = decision.message_for_administrator()
                    people.append(Reached(user=user.name, role=role, has_grants=False, detail=detail))
        return Audience(tuple(people))

    async def run_by(self, caller: Caller, name: str) -> AccessList:
        """The list, for its owners and whoever may update lists. Raises AccessDenied, NotFound."""
        found = await self._cluster.store.find(AccessList, name)
        if found is not None and await self.is_owner(caller, name):
            return found
        if found is None or not self._guard.allows(caller, "update", AccessList.KIND, ActionContext(resource=found)):
            await self._refuse(caller, name)
        assert found is not None
        return found

    async def is_owner(self, caller: Caller, name: str) -> bool:
        person = await self._person(caller)
        if person is None:
            return False
        directory = AccessLists(*await all_lists(self._cluster))
        return directory.ownership(person, name, self._cluster.clock.now()).allowed

    async def owned_by(self, caller: Caller) -> frozenset[str]:
        """The names of all lists that the caller owns, also through other lists."""
        person = await self._person(caller)
        if person is None:
            return frozenset()
        lists, members = await all_lists(self._cluster)
        directory, now = AccessLists(lists, members), self._cluster.clock.now()
        return frozenset(one.name for one in lists if directory.ownership(person, one.name, now).allowed)

    async def _refuse(self, caller: Caller, name: str) -> None:
        """Lists that one may not see and lists that are not there look the same."""
        try:
            await self._guard.refuse(caller, f"access list {name!r} is for its owners to change")
        except AccessDenied as denied:
            raise NotFound(
                f"access list {name!r} is not found, or not yours to change", event_id=denied.event_id
            ) from None

    async def _person(self, caller: Caller) -> Person | None:
        """With what is theirs for good; None for hosts."""
        user = await self._cluster.store.find(User, caller.name) if caller.is_person else None
        return person_of(user) if user is not None else None


def _visible(view: View, name: str) -> AccessList:
    if name not in view.lists:
        raise NotFound(f"access list {name!r} is not found")
    return view.lists[name]


def _raw(resource: Resource) -> msgspec.Raw:
    return msgspec.Raw(encode_json(resource))
