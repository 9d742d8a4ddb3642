"""Lists and single requests, as far as the caller may see them; and what can be asked for, looked through."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from teleport.api.routes.access_requests import (
    AccessRequestId,
    AccessRequestPage,
    AccessRequestShown,
    GetAccessRequest,
    ListAccessRequests,
    RequestedResource,
    RequestedResources,
    SearchResources,
)
from teleport.api.routes.resources import ListResources, ResourcePage
from teleport.auth.access_requests import terms
from teleport.auth.access_requests.register import Register
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.holdings import own_role_set
from teleport.auth.listing import Listing
from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.codec import decode_json, encode_json
from teleport.model.events.access_request import AccessRequestSearched
from teleport.model.kinds import kind_named
from teleport.model.resources.access_request import STATES, AccessRequest
from teleport.model.resources.role import Role
from teleport.policy import access, access_requests, reviews
from teleport.policy.access import display_name
from teleport.policy.actions import ActionContext
from teleport.policy.role_set import RoleSet

DEFAULT_LIMIT, MAX_LIMIT = 500, 10_000
MAX_WAIT = timedelta(seconds=25)
SCOPES = ("", "mine", "reviewable", "reviewed")


class Reading:
    """Answers questions about requests."""

    def __init__(self, cluster: Cluster, guard: Guard, register: Register, listing: Listing) -> None:
        self._cluster = cluster
        self._guard = guard
        self._register = register
        self._listing = listing

    async def list(self, caller: Caller, request: ListAccessRequests) -> AccessRequestPage:
        """Raises BadParameter."""
        limit = request.limit or DEFAULT_LIMIT
        if not 0 < limit <= MAX_LIMIT:
            raise BadParameter(f"limit is {limit}, expected 1 to {MAX_LIMIT}")
        if request.scope not in SCOPES or (request.state and request.state.upper() not in STATES):
            raise BadParameter(f"scope {request.scope!r}, state {request.state!r}: not known")
        wanted = [
            one
            for one in await self._register.current()
            if (not request.user or one.spec.user == request.user)
            and (not request.state or one.spec.state == request.state.upper())
        ]
        found = sorted(await self._scoped(caller, request.scope, wanted), key=_order)
        first = next((n for n, one in enumerate(found) if _position(one) == request.start), 0) if request.start else 0
        page, rest = found[first : first + limit], found[first + limit : first + limit + 1]
        items = tuple(msgspec.Raw(encode_json(one)) for one in page)
        return AccessRequestPage(items, _position(rest[0]) if rest else "")

    async def get(self, caller: Caller, request: GetAccessRequest) -> AccessRequestShown:
        """Raises NotFound, also for what the caller may not see."""
        found = await self._visible(caller, request.id)
        if request.wait is not None and found.spec.state == "PENDING":
            found = await self._register.when_decided(request.id, min(request.wait, MAX_WAIT))
        return self._register.shown(found)

    async def resources(self, caller: Caller, request: AccessRequestId) -> RequestedResources:
        """Names and labels, for the requester, reviewers with `preview_as_roles`, and whoever sees them anyway."""
        found = await self._visible(caller, request.id)
        role_set = await self._preview(caller, found)
        shown: list[RequestedResource] = []
        for one in found.spec.requested_resource_ids:
            resource = await terms.find_resource(self._cluster, one)
            if resource is None or (role_set is not None and not access.visible(role_set, resource)):
                shown.append(RequestedResource(id=str(one)))
            else:
                shown.append(
                    RequestedResource(id=str(one), name=display_name(resource), labels=dict(resource.labels))
                )
        return RequestedResources(tuple(shown))

    async def search(self, caller: Caller, request: SearchResources) -> ResourcePage:
        """Seen as with the roles that may be searched with. Recorded: somebody looks beyond what they have."""
        if kind_named(request.kind).name not in terms.REQUESTABLE:
            raise BadParameter(f"kind {request.kind!r}: kinds that can be asked for: {', '.join(terms.REQUESTABLE)}")
        role_set = (await own_role_set(self._cluster, caller)).at(self._cluster.clock.now())
        roles = await terms.search_roles(self._cluster, role_set)
        seeing = dataclasses.replace(caller, role_set=terms.searching_set(role_set, roles))
        await self._cluster.journal.record(
            AccessRequestSearched(
                resource_type=request.kind,
                search_as_roles=[role.name for role in roles],
                labels=dict(request.labels),
                predicate_expression=request.query,
                search_keywords=request.search.split(),
                namespace="default",
                **caller.event_fields(),
            )
        )
        fields = {name: getattr(request, name) for name in request.__struct_fields__}
        page = await self._listing.page(seeing, ListResources(**fields))
        kind = kind_named(request.kind).type
        beyond = tuple(not access.visible(role_set, decode_json(item, kind)) for item in page.items)
        return msgspec.structs.replace(page, requires_request=beyond)

    async def _scoped(self, caller: Caller, scope: str, wanted: Sequence[AccessRequest]) -> Iterable[AccessRequest]:
        if scope == "mine":
            return [one for one in wanted if one.spec.user == caller.name]
        if scope == "reviewed":
            return [one for one in wanted if any(review.author == caller.name for review in one.spec.reviews)]
        if caller.role_set is None:
            await self._guard.require(caller, "list", AccessRequest.KIND)
            return wanted
        reviewer = await self._reviewer(caller)
        if scope == "reviewable":
            return [one for one in wanted if reviewer is not None and reviews.may_review(reviewer, one).allowed]
        return [one for one in wanted if self._may_see(caller, reviewer, one)]

    async def _visible(self, caller: Caller, name: str) -> AccessRequest:
        found = await self._register.get(name)
        if not self._may_see(caller, await self._reviewer(caller), found):
            raise NotFound(f"access request {name!r} is not found")
        return found

    async def _reviewer(self, caller: Caller) -> RoleSet | None:
        """The caller as reviewer; None for hosts, and for people whose roles let them review nothing."""
        if caller.role_set is None:
            return None
        role_set = (await own_role_set(self._cluster, caller)).at(self._cluster.clock.now())
        return role_set if any(role.spec.allow.review_requests for role in role_set.given) else None

    def _may_see(self, caller: Caller, reviewer: RoleSet | None, request: AccessRequest) -> bool:
        if caller.is_person and request.spec.user == caller.name:
            return True
        if self._guard.allows(caller, "read", AccessRequest.KIND, ActionContext(resource=request)):
            return True
        if reviewer is None:
            return False
        if any(review.author == caller.name for review in request.spec.reviews):
            return True
        # also what was decided by others: as if it were still open
        plain = msgspec.structs.replace(request.spec, state="PENDING")
        return reviews.may_review(reviewer, msgspec.structs.replace(request, spec=plain)).allowed

    async def _preview(self, caller: Caller, request: AccessRequest) -> RoleSet | None:
        """None: everything is seen."""
        if caller.role_set is None:
            return None
        role_set = (await own_role_set(self._cluster, caller)).at(self._cluster.clock.now())
        if request.spec.user == caller.name:
            names = [*access_requests.requestable(role_set).search_as_roles]
        else:
            names = [
                name
                for role in role_set.given
                if (able := role.spec.allow.review_requests) is not None
                for name in able.preview_as_roles
            ]
            names = [name for name in names if name not in _never_previewed(role_set)]
        roles = [role for role in [await self._cluster.store.find(Role, name) for name in names] if role is not None]
        return terms.searching_set(role_set, roles)


def _never_previewed(role_set: RoleSet) -> set[str]:
    return {
        name
        for role in role_set.given
        if (denied := role.spec.deny.review_requests) is not None
        for name in denied.preview_as_roles
    }


def _order(request: AccessRequest) -> tuple[float, str]:
    """Newest first."""
    created: datetime | None = request.spec.created
    return (-created.timestamp() if created else 0.0, request.name)


def _position(request: AccessRequest) -> str:
    return request.name
