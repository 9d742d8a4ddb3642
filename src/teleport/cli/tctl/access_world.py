"""What a cluster knows that decides about access, fetched for decisions made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from teleport.api.route import Empty
from teleport.api.routes import cluster as cluster_routes
from teleport.api.routes import resources as routes
from teleport.api.sync_client import SyncClient
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound
from teleport.model import codec
from teleport.model.kinds import ResourceRef, parse_ref
from teleport.model.resource import Resource
from teleport.model.resources.access_list import AccessList, AccessListMember
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.policy.world import World

R = TypeVar("R", bound=Resource)


def world(client: SyncClient, resources: Iterable[Resource] = (), *, users: Sequence[str] | None = None) -> World:
    """Roles, settings, locks, access lists and these users (None: all) of the cluster, and `resources`.

    Raises AccessDenied when the caller may not read roles or users: without them nothing can be decided.
    """
    found: list[Resource] = [*client.list(Role), _preference(client), *_optional(client, Lock)]
    found += [*_optional(client, AccessList), *_optional(client, AccessListMember)]
    if users is None:
        found += client.list(User)
    else:
        found += [one for name in users if (one := _user(client, name)) is not None]
    kept = {(one.kind, one.key): one for one in [*found, *resources]}
    name = client.call(cluster_routes.STATUS, Empty()).cluster
    return World(kept.values(), cluster=name, with_presets=False)


def resource(client: SyncClient, text: str) -> Resource:
    """`kind/name`; servers also by host name. Raises BadParameter, NotFound, and for a name of several."""
    ref = parse_ref(text)
    if not (ref.name or ref.kind.singleton):
        raise BadParameter(f"--resource={text}: the name is missing, expected {ref.kind.name}/NAME")
    try:
        answer = client.call(routes.GET, routes.ResourceName(ref.kind.name, ref.key or ref.kind.singleton))
        return codec.decode_json(answer.resource, ref.kind.type)
    except NotFound:
        found = _called(client, ref)
        if not found:
            raise
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise BadParameter(f"{text}: {len(found)} are called so, use one of the names {names}")
    return found[0]


def _called(client: SyncClient, ref: ResourceRef) -> list[Resource]:
    """Heartbeats by the name of what they serve, servers by host name."""
    wanted = ref.name
    return [
        one
        for one in client.list(ref.kind.type, search=wanted)
        if wanted in (one.name, getattr(getattr(one, "spec", None), "hostname", ""))
    ]


def moment(text: str | None) -> datetime:
    """The time that was named, or now. Raises BadParameter."""
    if not text:
        return SystemClock().now()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"--at={text}: expected RFC 3339, as 2030-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        raise BadParameter(f"--at={text}: the zone is missing, add Z for UTC")
    return found


def _preference(client: SyncClient) -> ClusterAuthPreference:
    kind = ClusterAuthPreference
    answer = client.call(routes.GET, routes.ResourceName(kind.KIND, kind.SINGLETON))
    return codec.decode_json(answer.resource, kind)


def _user(client: SyncClient, name: str) -> User | None:
    try:
        return codec.decode_json(client.call(routes.GET, routes.ResourceName("user", name)).resource, User)
    except NotFound:
        return None


def _optional(client: SyncClient, kind: type[R]) -> list[R]:
    """Nothing where the caller may not read them."""
    try:
        return client.list(kind)
    except AccessDenied:
        return []
