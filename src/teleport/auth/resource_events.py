"""Which audit event tells of a change to a resource, by kind."""

from __future__ import annotations

from typing import Literal

from teleport.auth.access_lists.events import record_list, record_members
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.tokens import record_token
from teleport.model.events.access_request import LockCreated
from teleport.model.events.base import ResourceEvent
from teleport.model.events.catalog import EVENTS
from teleport.model.events.resource import RoleWritten
from teleport.model.events.user import UserCreated
from teleport.model.resource import Resource
from teleport.model.resources.access_list import AccessList, AccessListMember
from teleport.model.resources.lock import Lock
from teleport.model.resources.role import Role
from teleport.model.resources.token import Token
from teleport.model.resources.user import User
from teleport.policy.widening import beyond

Change = Literal["create", "update", "delete"]

# kind -> (event, code) of its creation, change and end; where one is missing the reference knows none
_EVENTS: dict[str, dict[Change, tuple[str, str]]] = {
    "user": {
        "create": ("user.create", "T1002I"),
        "update": ("user.update", "T1003I"),
        "delete": ("user.delete", "T1004I"),
    },
    "role": {
        "create": ("role.created", "T9000I"),
        "update": ("role.updated", "T9002I"),
        "delete": ("role.deleted", "T9001I"),
    },
    "lock": {
        "create": ("lock.created", "TLK00I"),
        "update": ("lock.created", "TLK00I"),
        "delete": ("lock.deleted", "TLK01I"),
    },
    "bot": {
        "create": ("bot.create", "TB001I"),
        "update": ("bot.update", "TB002I"),
        "delete": ("bot.delete", "TB003I"),
    },
    "github": {
        "create": ("github.created", "T8000I"),
        "update": ("github.updated", "T80002I"),
        "delete": ("github.deleted", "T8001I"),
    },
    "oidc": {
        "create": ("oidc.created", "T8100I"),
        "update": ("oidc.updated", "T8102I"),
        "delete": ("oidc.deleted", "T8101I"),
    },
    "saml": {
        "create": ("saml.created", "T8200I"),
        "update": ("saml.updated", "T8202I"),
        "delete": ("saml.deleted", "T8201I"),
    },
    "trusted_cluster": {
        "create": ("trusted_cluster.create", "T7000I"),
        "update": ("trusted_cluster.create", "T7000I"),
        "delete": ("trusted_cluster.delete", "T7001I"),
    },
    "cluster_auth_preference": {"update": ("auth_preference.update", "TCAUTH001I")},
    "cluster_networking_config": {"update": ("cluster_networking_config.update", "TCNET002I")},
    "session_recording_config": {"update": ("session_recording_config.update", "TCREC003I")},
    "login_rule": {
        "create": ("login_rule.create", "TLR00I"),
        "update": ("login_rule.create", "TLR00I"),
        "delete": ("login_rule.delete", "TLR01I"),
    },
    "kube_cluster": {
        "create": ("kube.create", "T3010I"),
        "update": ("kube.update", "T3011I"),
        "delete": ("kube.delete", "T3012I"),
    },
    "db": {
        "create": ("db.create", "TDB03I"),
        "update": ("db.update", "TDB04I"),
        "delete": ("db.delete", "TDB05I"),
    },
    "app": {
        "create": ("app.create", "TAP03I"),
        "update": ("app.update", "TAP04I"),
        "delete": ("app.delete", "TAP05I"),
    },
    "access_request": {"delete": ("access_request.delete", "T5003I")},
}

# Kinds whose events are the kind (or another prefix) with create, update and delete behind it.
_PREFIXES = {
    "discovery_config": "discovery_config",
    "integration": "integration",
    "plugin": "plugin",
    "static_host_user": "static_host_user",
    "crown_jewel": "access_graph.crown_jewel",
    "user_task": "user_task",
    "autoupdate_config": "auto_update_config",
    "autoupdate_version": "auto_update_version",
    "workload_identity": "workload_identity",
    "workload_identity_x509_revocation": "workload_identity.x509_revocation",
    "health_check_config": "health_check_config",
    "vnet_config": "vnet.config",
    "spiffe_federation": "spiffe.federation",
}


def event_of(kind: str, change: Change) -> type[ResourceEvent] | None:
    """The class of the event, or None for changes that the reference has no event for."""
    named = _EVENTS.get(kind, {}).get(change)
    if named is None and kind in _PREFIXES:
        wanted = f"{_PREFIXES[kind]}.{change}"
        named = next((key for key in EVENTS if key[0] == wanted), None)
    found = EVENTS.get(named) if named else None
    return found if found is not None and issubclass(found, ResourceEvent) else None


async def record_change(cluster: Cluster, caller: Caller, change: Change, resource: Resource) -> None:
    """Record that the caller changed a resource."""
    if isinstance(resource, Token):
        if change == "create":
            await record_token(cluster, caller, resource)
        return
    if isinstance(resource, AccessList):
        await record_list(cluster, caller, change, resource)
        return
    if isinstance(resource, AccessListMember):
        found = await cluster.store.find(AccessList, resource.spec.access_list)
        if found is not None:
            await record_members(cluster, caller, change, found, [resource])
        return
    kind = event_of(resource.kind, change)
    if kind is None:
        return
    event = kind(
        name=resource.display_name, expires=resource.expires, updated_by=caller.name, **caller.event_fields()
    )
    if isinstance(event, UserCreated) and isinstance(resource, User):
        event.roles = list(resource.spec.roles)
        event.connector = _connector(resource)
        if caller.role_set is not None:
            event.beyond_author = sorted(set(resource.spec.roles) - {role.name for role in caller.role_set.given})
    if isinstance(event, RoleWritten) and isinstance(resource, Role) and caller.role_set is not None:
        event.beyond_author = beyond(caller.role_set.given, resource)
    if isinstance(event, LockCreated) and isinstance(resource, Lock):
        event.target = resource.spec.target.fields()
    await cluster.journal.record(event)


def _connector(user: User) -> str:
    created = user.spec.created_by
    return created.connector.id if created is not None and created.connector is not None else "local"
