"""What a request is made of before anybody reviews it: whose roles count, which roles reach what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from teleport.auth.cluster import Cluster
from teleport.credentials import resource_ids
from teleport.foundation.errors import AccessDenied, BadParameter, Unsupported
from teleport.model.identity import ResourceId
from teleport.model.kinds import kind_named
from teleport.model.resource import Resource
from teleport.model.resources.access_request import MAX_RESOURCES
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import AccessRequestConditions
from teleport.policy import access, access_requests
from teleport.policy.role_set import RoleSet

REQUESTABLE = ("node", "kube_cluster", "db", "app", "windows_desktop", "user_group")
_PATTERN = frozenset("*^${}")


def read_ids(cluster: Cluster, texts: Sequence[str]) -> tuple[ResourceId, ...]:
    """Raises BadParameter, and Unsupported for what cannot be asked for here."""
    if len(texts) > MAX_RESOURCES:
        raise BadParameter(f"more than {MAX_RESOURCES} resources are asked for")
    found = resource_ids.decode(msgspec.json.encode(list(dict.fromkeys(texts))).decode())
    for one in found:
        if one.cluster != cluster.name:
            raise Unsupported(f"resource {one}: resources of other clusters cannot be asked for here yet")
        if one.kind not in REQUESTABLE or one.sub_resource_name:
            raise Unsupported(f"resource {one}: kinds that can be asked for: {', '.join(REQUESTABLE)}")
    return found


async def find_resource(cluster: Cluster, one: ResourceId) -> Resource | None:
    return await cluster.store.find(kind_named(one.kind).type, one.name)


async def roles_named(cluster: Cluster, names: Iterable[str]) -> list[Role]:
    """Raises BadParameter for one that does not exist."""
    found: list[Role] = []
    for name in names:
        role = await cluster.store.find(Role, name)
        if role is None:
            raise BadParameter(f"role {name!r} does not exist")
        found.append(role)
    return found


def as_searcher(role_set: RoleSet) -> RoleSet:
    """The same person where resources are asked for: what may be requested are the roles to search with, by name."""
    return role_set.kept("as searcher", lambda: _as_searcher(role_set))


def _as_searcher(role_set: RoleSet) -> RoleSet:
    open_names = set(access_requests.requestable(role_set).search_as_roles)
    roles = [_searching(role, open_names) for role in role_set.given]
    return RoleSet.of(roles, role_set.traits, role_set.username, cluster=role_set.cluster)


def _searching(role: Role, open_names: set[str]) -> Role:
    asked = role.spec.allow.request
    if asked is None:
        return role
    # names, not patterns: one that reads as a pattern would open more than itself
    names = [name for name in asked.search_as_roles if name in open_names and not _PATTERN & set(name)]
    request: AccessRequestConditions = msgspec.structs.replace(asked, roles=names, claims_to_roles=[])
    allow = msgspec.structs.replace(role.spec.allow, request=request)
    return msgspec.structs.replace(role, spec=msgspec.structs.replace(role.spec, allow=allow))


async def search_roles(cluster: Cluster, role_set: RoleSet) -> list[Role]:
    """Those of `search_as_roles` that exist."""
    names = access_requests.requestable(role_set).search_as_roles
    found = [await cluster.store.find(Role, name) for name in names]
    return [role for role in found if role is not None]


def searching_set(role_set: RoleSet, roles: Sequence[Role]) -> RoleSet:
    """How the person would see with these roles besides their own; nothing narrows it."""
    return RoleSet.of([*role_set.given, *roles], role_set.traits, role_set.username, cluster=role_set.cluster)


async def applicable_roles(
    cluster: Cluster, role_set: RoleSet, ids: Sequence[ResourceId], named: Sequence[str] = (), login: str = ""
) -> list[str]:
    """Of the roles to search with (or of those `named`), the ones that reach at least one of the resources.

    With a `login`, servers are reached by roles that open it there. Raises AccessDenied unless each resource is
    reached by one; it does not tell whether the resource exists.
    """
    if refused := set(named) - set(access_requests.requestable(role_set).search_as_roles):
        raise AccessDenied(f"role {min(refused)!r} is none that you may ask for resources with")
    candidates = [role for role in await search_roles(cluster, role_set) if not named or role.name in named]
    reach = {
        role.name: RoleSet.of([role], role_set.traits, role_set.username, cluster=role_set.cluster)
        for role in candidates
    }
    used: set[str] = set()
    for one in ids:
        resource = await find_resource(cluster, one)
        reaching = {name for name, seen in reach.items() if resource is not None and access.visible(seen, resource)}
        if not reaching:
            raise AccessDenied(f"resource {one} is none that you may ask for")
        if login and isinstance(resource, Node):
            reaching = {name for name in reaching if _opens(login, resource, reach[name], role_set)}
            if not reaching:
                raise AccessDenied(f"no role that you may ask for {one} with allows the login {login!r} there")
        used |= reaching
    return [role.name for role in candidates if role.name in used]


def _opens(login: str, node: Node, reaching: RoleSet, own: RoleSet) -> bool:
    """Whether these roles allow the login there, and neither they nor the person's own deny it."""
    is_denied = any(one.field("logins").deny_mask(login) for one in (reaching, own))
    return not is_denied and bool(access.granting_roles(reaching, "node", node, {"logins": login}))
