"""Where a caller stands to the lists: which they see, belong to, own and run."""

from __future__ import annotations

from collections.abc import Iterable

from teleport.api.routes.access_lists import Standing
from teleport.auth.access_lists.grants import person_of
from teleport.auth.access_lists.rules import all_lists
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.model.resources.access_list import AccessList, AccessListMember
from teleport.model.resources.user import User
from teleport.policy.access_lists import LIST, AccessLists, Granted, is_review_due
from teleport.policy.actions import ActionContext


class View:
    """All lists at one moment, through the eyes of one caller."""

    def __init__(
        self,
        cluster: Cluster,
        guard: Guard,
        caller: Caller,
        lists: list[AccessList],
        members: list[AccessListMember],
        granted: Granted,
    ) -> None:
        self._guard = guard
        self._caller = caller
        self._now = cluster.clock.now()
        self._owned, self._joined = set(granted.owner_of), set(granted.member_of)
        self._members = members
        self.lists = {one.name: one for one in sorted(lists, key=lambda one: one.name) if self._sees(one)}

    def of(self, found: AccessList) -> Standing:
        """By the lasting roles and traits; an unmet requirement of a list is no standing."""
        is_owner = found.name in self._owned
        return Standing(
            runs=is_owner or self._allows("update", found),
            is_owner=is_owner,
            is_member=found.name in self._joined,
            is_review_due=is_review_due(found, self._now),
        )

    def members(self, name: str) -> list[AccessListMember]:
        return [one for one in self._members if one.spec.access_list == name]

    def titles(self, found: AccessList) -> dict[str, str]:
        """Of the lists inside it, as members or owners, that the caller sees."""
        owners = (one.name for one in found.spec.owners if one.membership_kind == LIST)
        inside = (one.spec.name for one in self.members(found.name) if one.spec.membership_kind == LIST)
        return self._titles((*owners, *inside))

    def _titles(self, names: Iterable[str]) -> dict[str, str]:
        return {name: self.lists[name].spec.title for name in names if name in self.lists}

    def _sees(self, found: AccessList) -> bool:
        return found.name in self._owned or found.name in self._joined or self._allows("read", found)

    def _allows(self, verb: str, found: AccessList) -> bool:
        return self._guard.allows(self._caller, verb, AccessList.KIND, ActionContext(resource=found))


async def view_of(cluster: Cluster, guard: Guard, caller: Caller) -> View:
    """As of now."""
    lists, members = await all_lists(cluster)
    user = await cluster.store.find(User, caller.name) if caller.is_person else None
    granted = Granted()
    if user is not None:
        granted = AccessLists(lists, members).grants(person_of(user), cluster.clock.now())
    return View(cluster, guard, caller, lists, members, granted)
