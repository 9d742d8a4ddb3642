"""Running sessions as their hosts tell of them: written by the host that runs them, seen by whoever may."""

from __future__ import annotations

import contextlib

import msgspec

from teleport.api.route import Empty
from teleport.api.routes.sessions import ListSessions, PutSession, SessionName, SessionPage, SessionShown
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.session_owners import SessionOwners
from teleport.auth.settings import TRACKER_TTL
from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.codec import decode_json, encode_json
from teleport.model.resources.session_tracker import SessionTracker
from teleport.policy.actions import ActionContext
from teleport.policy.moderation import join_modes

DEFAULT_LIMIT = 500
MAX_PARTICIPANTS = 100


class Trackers:
    """A tracker ends half an hour after its host last spoke of it."""

    def __init__(self, cluster: Cluster, guard: Guard) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._guard = guard
        self._owners = SessionOwners(cluster)

    async def put(self, caller: Caller, request: PutSession) -> SessionShown:
        """Create or refresh. Raises AccessDenied for a session of another host."""
        tracker = decode_json(request.tracker, SessionTracker)
        if tracker.name != request.session_id:
            raise BadParameter("the address and the tracker name different sessions")
        if len(tracker.spec.participants) > MAX_PARTICIPANTS:
            raise BadParameter(f"a session has at most {MAX_PARTICIPANTS} participants")
        tracker.check()
        old = await self._store.find(SessionTracker, tracker.name)
        owner = (old.spec.host_id if old else await self._owners.of(tracker.name)) or caller.host_id
        verb = "create" if old is None else "update"
        await self._guard.require(caller, verb, SessionTracker.KIND, name=tracker.name, host_id=owner)
        tracker.spec.host_id = owner
        tracker.spec.cluster_name = self._cluster.name
        tracker.spec.expires = tracker.metadata.expires = self._cluster.clock.now() + TRACKER_TTL
        tracker.metadata.revision = ""
        return _shown(await self._store.upsert(tracker))

    async def delete(self, caller: Caller, request: SessionName) -> Empty:
        old = await self._store.find(SessionTracker, request.session_id)
        owner = old.spec.host_id if old is not None else caller.host_id
        await self._guard.require(caller, "delete", SessionTracker.KIND, name=request.session_id, host_id=owner)
        with contextlib.suppress(NotFound):
            await self._store.delete(SessionTracker, request.session_id)
        return Empty()

    async def get(self, caller: Caller, request: SessionName) -> SessionShown:
        tracker = await self._store.find(SessionTracker, request.session_id)
        if tracker is None or not self._may_see(caller, tracker):
            raise NotFound("there is no such session")
        return _shown(tracker)

    async def list(self, caller: Caller, request: ListSessions) -> SessionPage:
        """Those the caller takes part in, owns or may join, and those that a rule for session_tracker shows."""
        limit = request.limit or DEFAULT_LIMIT
        if limit < 0:
            raise BadParameter(f"limit is {limit}, expected a positive number")
        visible = [
            tracker
            async for tracker in self._store.iterate(SessionTracker)
            if tracker.name >= request.start and self._may_see(caller, tracker)
        ]
        page, rest = visible[:limit], visible[limit : limit + 1]
        return SessionPage(
            sessions=tuple(msgspec.Raw(encode_json(tracker)) for tracker in page),
            next_start=rest[0].name if rest else "",
        )

    def _may_see(self, caller: Caller, tracker: SessionTracker) -> bool:
        if caller.is_person and (caller.name in _people(tracker) or _may_join(caller, tracker)):
            return True
        context = ActionContext(
            resource=tracker, session_tracker=_described(tracker), host_id=tracker.spec.host_id, can_view=False
        )
        return self._guard.allows(caller, "read", SessionTracker.KIND, context)


def _may_join(caller: Caller, tracker: SessionTracker) -> bool:
    """A policy to join sessions of such owners shows them, whatever rules deny."""
    spec = tracker.spec
    role_set = caller.role_set
    return role_set is not None and bool(join_modes(role_set, spec.host_user, spec.host_roles, spec.kind))


def _people(tracker: SessionTracker) -> set[str]:
    return {tracker.spec.host_user, *(participant.user for participant in tracker.spec.participants)}


def _described(tracker: SessionTracker) -> dict[str, object]:
    """What rules call `session_tracker`."""
    spec = tracker.spec
    return {
        "session_id": spec.session_id,
        "kind": spec.kind,
        "participants": [participant.user for participant in spec.participants],
        "state": spec.state,
        "hostname": spec.hostname,
        "address": spec.address,
        "login": spec.login,
        "cluster": spec.cluster_name,
        "kube_cluster": spec.kubernetes_cluster,
        "host_user": spec.host_user,
        "host_roles": list(spec.host_roles),
    }


def _shown(tracker: SessionTracker) -> SessionShown:
    return SessionShown(msgspec.Raw(encode_json(tracker)))
