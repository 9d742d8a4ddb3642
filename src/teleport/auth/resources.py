"""The generic calls for every kind: read, create, put, delete; guarded, checked, recorded.

What is not there and what must not be seen look the same to whoever asks.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.api.messages import ID_PREFIX, address_name
from teleport.api.route import Empty
from teleport.api.routes.resources import CreateResource, DeleteResource, PutResource, ResourceAnswer, ResourceName
from teleport.auth import figures
from teleport.auth.admin_actions import AdminActions
from teleport.auth.administrators import Administrators
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.defaults import default_singleton
from teleport.auth.guard import Guard
from teleport.auth.host_ids import HostIds
from teleport.auth.listing import known_kind, read_verb
from teleport.auth.resource_events import record_change
from teleport.auth.resource_rules import MAX_RESOURCE, NO_RULES, RULES, Ground
from teleport.auth.showing import encoded
from teleport.credentials.tokens import new_uuid, random_token
from teleport.foundation.errors import (
    AccessDenied,
    AlreadyExists,
    BadParameter,
    LimitExceeded,
    NotFound,
    RevisionConflict,
)
from teleport.model.codec import decode_document, encode_json
from teleport.model.kinds import Kind
from teleport.model.labels import ORIGIN
from teleport.model.resource import Resource
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.model.resources.token import Token
from teleport.model.resources.user import User
from teleport.policy import access
from teleport.policy.actions import ActionContext
from teleport.storage.store import DeleteOf, UpdateOf

HEARTBEAT_TTL = timedelta(minutes=10)
MAX_HEARTBEAT_TTL = timedelta(hours=1)


class Resources:
    """Reads and writes resources for callers."""

    def __init__(self, cluster: Cluster, guard: Guard, ground: Ground, admin_actions: AdminActions) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._guard = guard
        self._ground = ground
        self._admin_actions = admin_actions
        self._host_ids = HostIds(cluster.store)
        self._administrators = Administrators(cluster.store)

    async def get(self, caller: Caller, request: ResourceName) -> ResourceAnswer:
        """Raises NotFound, AccessDenied."""
        kind = known_kind(request.kind)
        resource = await self._find(kind, request.name)
        verb = "read" if request.with_secrets else read_verb(kind)
        await self._require_sight(caller, verb, kind, request.name, resource)
        if resource is None:
            raise _missing(kind, request.name)
        if request.with_secrets:
            await self._admin_actions.require(caller)
        # whoever names a token knows it: nothing is gained by masking it
        shows_secrets = request.with_secrets or kind.type is Token
        return ResourceAnswer(encoded(resource, with_secrets=shows_secrets))

    async def create(self, caller: Caller, request: CreateResource) -> ResourceAnswer:
        """Raises AlreadyExists. A singleton is always there: it is written over unless the file sets it."""
        resource = self._decoded(request.resource, request.kind)
        kind = self._writable(caller, resource)
        if kind.singleton:
            return await self._put(caller, kind, resource, must_exist=False, confirm=False)
        self._name(resource)
        await self._guard.require(caller, "create", kind.name, resource=resource)
        await self._admin_actions.require_for(caller, kind.name)
        await self._before_write(caller, kind, resource, None)
        resource.metadata.revision = ""
        try:
            written = await self._store.create(resource)
        except AlreadyExists:
            raise AlreadyExists(f"{kind.name} {resource.display_name!r} already exists") from None
        await record_change(self._cluster, caller, "create", written)
        return _answer(written)

    async def put(self, caller: Caller, request: PutResource) -> ResourceAnswer:
        """Create or replace. Raises RevisionConflict when the resource carries a revision of the past."""
        resource = self._decoded(request.resource, request.kind)
        kind = self._writable(caller, resource)
        names = (resource.key, resource.name, address_name(kind.type, resource.key))
        if request.name not in names and not kind.singleton:
            raise BadParameter(
                f"the address names {request.name!r}, the resource is called {resource.display_name!r}"
            )
        self._name(resource)
        return await self._put(caller, kind, resource, must_exist=request.must_exist, confirm=request.confirm)

    async def delete(self, caller: Caller, request: DeleteResource) -> Empty:
        """Raises NotFound. A singleton goes back to what the file or the default says."""
        kind = known_kind(request.kind)
        resource = await self._find(kind, request.name)
        await self._require_sight(caller, "delete", kind, request.name, resource)
        if resource is None:
            raise _missing(kind, request.name)
        self._check_deletable(caller, kind)
        await self._admin_actions.require_for(caller, kind.name)
        rules = RULES.get(kind.name, NO_RULES)
        if rules.before_delete is not None:
            await rules.before_delete(self._ground, caller, resource)
        if kind.singleton:
            await self._reset(caller, kind, resource)
            return Empty()
        await self._delete(kind, resource, confirm=request.confirm)
        if rules.after_delete is not None:
            await rules.after_delete(self._ground, caller, resource)
        await record_change(self._cluster, caller, "delete", resource)
        return Empty()

    async def _put(
        self, caller: Caller, kind: Kind, resource: Resource, *, must_exist: bool, confirm: bool
    ) -> ResourceAnswer:
        old = await self._store.find(kind.type, resource.key)
        if old is None and must_exist:
            await self._guard.require(caller, "update", kind.name, resource=resource)
            raise _missing(kind, resource.key)
        if caller.host_id and kind.scope == "host" and caller.known().system_role != "Admin":
            return await self._heartbeat(caller, kind, resource, old)
        await self._guard.require(caller, "create" if old is None else "update", kind.name, resource=old or resource)
        if old is not None:
            # a rule with a condition must allow what the resource becomes, not only what it was
            await self._guard.require(caller, "update", kind.name, resource=resource)
            self._check_origin(kind, resource, old, confirm=confirm)
        await self._admin_actions.require_for(caller, kind.name)
        await self._before_write(caller, kind, resource, old)
        written = await self._write(resource, old, confirm=confirm)
        await record_change(self._cluster, caller, "update" if old else "create", written)
        return _answer(written)

    async def _write(self, resource: Resource, old: Resource | None, *, confirm: bool) -> Resource:
        named = resource.metadata.revision
        if named and old is None:
            raise NotFound(f"{resource.kind} {resource.display_name!r} does not exist any more")
        try:
            if old is not None and _holds_administrators(resource) and not confirm:
                pinned = resource if named else _at_revision_of(resource, old)
                return (await self._administrators.commit(UpdateOf(pinned), old, resource))[0]
            return await (self._store.update(resource) if named else self._store.upsert(resource))
        except RevisionConflict:
            raise RevisionConflict(
                f"{resource.kind} {resource.display_name!r} was modified concurrently: "
                "read it again and repeat the change"
            ) from None

    async def _delete(self, kind: Kind, old: Resource, *, confirm: bool) -> None:
        if _holds_administrators(old) and not confirm:
            await self._administrators.commit(DeleteOf(kind.type, old.key, old.revision), old, None)
        else:
            await self._store.delete(kind.type, old.key)

    async def _heartbeat(
        self, caller: Caller, kind: Kind, resource: Resource, old: Resource | None
    ) -> ResourceAnswer:
        """A host tells of itself. One that says what it said before only lives longer: nobody is told."""
        figures.HEARTBEATS.inc()
        await self._guard.require(caller, "update", kind.name, resource=resource)
        await self._before_write(caller, kind, resource, old)
        if old is None and resource.key == caller.host_id:
            await self._host_ids.seen(caller)
        now = self._cluster.clock.now()
        latest = now + MAX_HEARTBEAT_TTL
        if isinstance(resource, Node) and resource.is_openssh:
            latest = caller.known().expires  # nothing there tells of it again before the certificate is renewed
        resource.metadata.expires = min(resource.metadata.expires or now + HEARTBEAT_TTL, latest)
        if old is not None and _says_the_same(resource, old):
            try:
                await self._store.keep_alive(kind.type, resource.key, resource.metadata.expires)
                resource.metadata.revision = old.metadata.revision
                return _answer(resource)
            except NotFound:
                pass  # it ended between reading and writing: tell it anew
        resource.metadata.revision = ""
        return _answer(await self._store.upsert(resource))

    async def _reset(self, caller: Caller, kind: Kind, old: Resource) -> None:
        fresh = default_singleton(self._cluster.settings, kind.type)
        if fresh is None:
            await self._store.delete(kind.type, old.key)
            await record_change(self._cluster, caller, "delete", old)
            return
        written = await self._store.upsert(fresh)
        await record_change(self._cluster, caller, "update", written)

    async def _before_write(self, caller: Caller, kind: Kind, resource: Resource, old: Resource | None) -> None:
        rules = RULES.get(kind.name, NO_RULES)
        if rules.before_write is not None:
            await rules.before_write(self._ground, caller, resource, old)

    async def _find(self, kind: Kind, name: str) -> Resource | None:
        if kind.type.NAME_IS_SECRET and name.startswith(ID_PREFIX):
            async for one in self._store.iterate(kind.type):
                if address_name(kind.type, one.key) == name:
                    return one
            return None
        try:
            return await self._store.find(kind.type, kind.singleton or name)
        except BadParameter:
            return None  # nothing is called like this

    async def _require_sight(
        self, caller: Caller, verb: str, kind: Kind, name: str, resource: Resource | None
    ) -> None:
        """Raises AccessDenied when none of this kind may be touched, NotFound when this one may not be seen."""
        await self._guard.enforce(caller, self._guard.may_list(caller, verb, kind.name), _told(kind, name))
        if resource is None:
            return
        is_visible = caller.role_set is None or access.visible(caller.role_set, resource)
        decision = self._guard.decide(caller, verb, kind.name, ActionContext(resource=resource))
        if is_visible and decision.allowed:
            return
        try:
            await self._guard.refuse(caller, decision.message_for_user(), decision.message_for_administrator())
        except AccessDenied as denied:
            raise NotFound(_missing(kind, name).message, event_id=denied.event_id) from None

    def _decoded(self, raw: msgspec.Raw, named: str) -> Resource:
        if len(bytes(raw)) > MAX_RESOURCE:
            raise LimitExceeded(f"a resource may have {MAX_RESOURCE} bytes, this one has {len(bytes(raw))}")
        try:
            document = msgspec.json.decode(raw, type=dict[str, object])
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadParameter(f"resource: {error}") from error
        resource = decode_document(document)
        if resource.kind != known_kind(named).name:
            raise BadParameter(f"the address names kind {named!r}, the resource is of kind {resource.kind!r}")
        return resource

    def _writable(self, caller: Caller, resource: Resource) -> Kind:
        kind = known_kind(resource.kind)
        if not kind.creatable and not (caller.host_id and kind.scope == "host"):
            instead = kind.instead or "it is the system's own"
            raise BadParameter(f"{kind.name} cannot be written like this: {instead}")
        return kind

    def _check_deletable(self, caller: Caller, kind: Kind) -> None:
        if not kind.creatable and kind.name in (
            "cluster_name",
            "cluster_audit_config",
            "static_tokens",
            "cert_authority",
        ):
            raise BadParameter(f"{kind.name} cannot be deleted")

    @staticmethod
    def _name(resource: Resource) -> None:
        if not resource.metadata.name:
            resource.metadata.name = random_token() if isinstance(resource, Token) else new_uuid()

    @staticmethod
    def _check_origin(kind: Kind, resource: Resource, old: Resource, *, confirm: bool) -> None:
        if not kind.singleton:
            return
        if old.origin == "config-file" and not confirm:
            raise BadParameter(
                f"{kind.name} is set by the configuration file, which will set it again at the next start; "
                "change the file, or write over it until then with --confirm"
            )
        resource.metadata.labels = {**resource.metadata.labels, ORIGIN: "dynamic"}


def _holds_administrators(resource: Resource) -> bool:
    return isinstance(resource, User | Role)


def _at_revision_of(resource: Resource, old: Resource) -> Resource:
    """To be written over what was looked at, and over nothing newer."""
    return msgspec.structs.replace(
        resource, metadata=msgspec.structs.replace(resource.metadata, revision=old.revision)
    )


def _says_the_same(one: Resource, other: Resource) -> bool:
    """Whether two heartbeats differ in nothing but time and revision."""
    plain = [
        msgspec.structs.replace(r, metadata=msgspec.structs.replace(r.metadata, expires=None, revision=""))
        for r in (one, other)
    ]
    return encode_json(plain[0]) == encode_json(plain[1])


def _answer(resource: Resource) -> ResourceAnswer:
    return ResourceAnswer(encoded(resource, with_secrets=isinstance(resource, Token)))


def _missing(kind: Kind, name: str) -> NotFound:
    return NotFound(f"{_told(kind, name)} is not found")


def _told(kind: Kind, name: str) -> str:
    return kind.name if kind.type.NAME_IS_SECRET else f"{kind.name} {name!r}"
