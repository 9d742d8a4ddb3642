"""Asking for access: what somebody wants becomes a pending request with the terms that hold at this moment."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.routes.access_requests import (
    AccessCapabilities,
    AccessRequestShown,
    AskCapabilities,
    CreateAccessRequest,
)
from teleport.auth.access_requests import terms
from teleport.auth.access_requests.deciding import Deciding, check_start
from teleport.auth.access_requests.records import created_event
from teleport.auth.access_requests.register import Register
from teleport.auth.access_requests.telling import Telling
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.holdings import holdings_of, own_role_set
from teleport.auth.settings import MAX_CERTIFICATE_TTL
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import AccessDenied, BadParameter, LimitExceeded, NotFound
from teleport.model.identity import Identity, ResourceId
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import AccessRequest, AccessRequestSpec
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.model.values import Duration
from teleport.policy import access_requests as policy
from teleport.policy.role_set import RoleSet

MAX_PENDING = 100
MAX_REVIEWERS = 50
MAX_ROLES = 100
ALL = "*"


class Asker(msgspec.Struct, frozen=True):
    """In whose name it is asked."""

    identity: Identity
    role_set: RoleSet


class Asking:
    """Makes requests, and tells what may be asked for."""

    def __init__(
        self, cluster: Cluster, guard: Guard, register: Register, deciding: Deciding, telling: Telling
    ) -> None:
        self._cluster = cluster
        self._guard = guard
        self._register = register
        self._deciding = deciding
        self._telling = telling

    async def create(self, caller: Caller, request: CreateAccessRequest) -> AccessRequestShown:
        """Raises AccessDenied, BadParameter, LimitExceeded, Unsupported."""
        if len(request.roles) > MAX_ROLES or len(request.suggested_reviewers) > MAX_REVIEWERS:
            raise BadParameter(f"at most {MAX_ROLES} roles and {MAX_REVIEWERS} reviewers can be named")
        asker = await self._asker(caller, request.user)
        made = await self._drafted(caller, asker, request)
        made.check()
        if request.dry_run:
            made.spec.dry_run = True
            return self._register.shown(made)
        waiting = sum(
            1 for one in self._register.all() if one.spec.user == made.spec.user and one.spec.state == "PENDING"
        )
        if waiting >= MAX_PENDING:
            raise LimitExceeded(f"{waiting} of your requests wait for reviews already, at most {MAX_PENDING} may")
        written = await self._register.create(made)
        await self._cluster.journal.record(created_event(caller, written))
        await self._telling.tell("created", written)
        verdict = await self._telling.automatic_review(written)
        if verdict is not None:
            written = await self._deciding.review_by_rule(written, verdict)
        return self._register.shown(written)

    async def capabilities(self, caller: Caller, request: AskCapabilities) -> AccessCapabilities:
        """What a client needs to ask, and to know whether to."""
        asker = await self._asker(caller, request.user)
        role_set = asker.role_set
        able, options = policy.requestable(role_set), role_set.options
        wants = [
            role.name
            for role in role_set.given
            if (asked := role.spec.allow.request) and asked.reason and asked.reason.mode == "required"
        ]
        prompts = [
            *options.request_prompts,
            *(
                asked.reason.prompt
                for role in role_set.given
                if (asked := role.spec.allow.request) and asked.reason and asked.reason.prompt
            ),
        ]
        ids = terms.read_ids(self._cluster, request.resource_ids)
        applicable = await terms.applicable_roles(self._cluster, role_set, ids, login=request.login) if ids else []
        return AccessCapabilities(
            requestable_roles=tuple(await self._requestable(asker)),
            search_as_roles=able.search_as_roles,
            suggested_reviewers=able.suggested_reviewers,
            reason_prompts=tuple(dict.fromkeys(prompts)),
            reason_required=bool(wants) or options.request_access == "reason",
            reason_required_for=tuple(wants),
            automatic=options.request_access in ("always", "reason"),
            applicable_roles=tuple(applicable),
        )

    async def _asker(self, caller: Caller, user: str) -> Asker:
        now = self._cluster.clock.now()
        if caller.is_person and user in ("", caller.name):
            return Asker(caller.person(), (await own_role_set(self._cluster, caller)).at(now))
        if not user:
            raise BadParameter("name the user in whose name access is asked for")
        await self._guard.require(caller, "create", AccessRequest.KIND, name=user)
        found = await self._cluster.store.find(User, user)
        if found is None:
            raise NotFound(f"user {user!r} is not found")
        held = await holdings_of(self._cluster, found)
        identity = Identity(
            username=user,
            cluster=self._cluster.name,
            expires=now + MAX_CERTIFICATE_TTL,
            roles=held.roles,
            traits=held.traits,
        )
        return Asker(identity, (await role_set_of(self._cluster, identity)).at(now))

    async def _drafted(self, caller: Caller, asker: Asker, request: CreateAccessRequest) -> AccessRequest:
        ids = terms.read_ids(self._cluster, request.resource_ids)
        judged = terms.as_searcher(asker.role_set) if ids else asker.role_set
        names = await self._names(caller, asker, request, ids)
        roles = await terms.roles_named(self._cluster, names)
        if asker.role_set.options.request_access == "reason" and not request.reason.strip():
            raise BadParameter("your roles want a reason with each request: give one")
        await self._guard.enforce(caller, policy.may_request(judged, names, request.reason))
        now = self._cluster.clock.now()
        ends = self._durations(judged, roles, asker.identity, now, request)
        thresholds, mapping = policy.thresholds_for(judged, names)
        reviewers = request.suggested_reviewers or policy.requestable(asker.role_set).suggested_reviewers
        spec = AccessRequestSpec(
            user=asker.identity.username,
            roles=names,
            created=now,
            expires=ends.access_until,
            request_reason=request.reason,
            system_annotations=policy.annotations_for(judged, names),
            thresholds=thresholds,
            role_threshold_mapping=mapping,
            suggested_reviewers=list(dict.fromkeys(reviewers)),
            requested_resource_ids=list(ids),
            login_hint=request.login_hint[:64],
            max_duration=ends.access_until if request.max_duration else None,
            session_ttl=now + request.session_ttl if request.session_ttl else None,
            request_ttl=Duration.of(ends.pending_until - now),
            assume_start_time=_start(request.assume_start_time, now, ends.access_until),
        )
        return AccessRequest(metadata=Metadata(name=new_uuid()), spec=spec)

    async def _names(
        self, caller: Caller, asker: Asker, request: CreateAccessRequest, ids: tuple[ResourceId, ...]
    ) -> list[str]:
        if ids:
            try:
                return await terms.applicable_roles(
                    self._cluster, asker.role_set, ids, request.roles, request.login_hint
                )
            except AccessDenied as denied:
                await self._guard.refuse(caller, denied.message)
        if not request.roles:
            raise BadParameter("name the roles or the resources that are asked for")
        if ALL not in request.roles:
            return list(dict.fromkeys(request.roles))
        names = await self._requestable(asker)
        if not names:
            raise BadParameter("there is no role that you could ask for")
        return names

    async def _requestable(self, asker: Asker) -> list[str]:
        able = policy.requestable(asker.role_set)
        if not able.allow:
            return []
        held = set(asker.identity.roles)
        return [
            role.name
            async for role in self._cluster.store.iterate(Role)
            if role.name not in held and able.may_request(role.name).allowed
        ]

    @staticmethod
    def _durations(
        judged: RoleSet, roles: list[Role], identity: Identity, now: datetime, request: CreateAccessRequest
    ) -> policy.Durations:
        for name in ("max_duration", "session_ttl", "request_ttl"):
            value = getattr(request, name)
            if value is not None and value <= timedelta():
                raise BadParameter(f"{name} is {value}, expected more than nothing")
        return policy.durations(
            judged,
            roles,
            identity,
            now,
            max_duration=request.max_duration,
            session_ttl=request.session_ttl,
            request_ttl=request.request_ttl,
        )


def _start(moment: datetime | None, now: datetime, end: datetime) -> datetime | None:
    if moment is None:
        return None
    check_start(moment, now, end)
    return moment
