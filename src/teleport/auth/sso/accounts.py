"""The account of somebody whom a provider proved: made at the login, gone with it, never anybody else's.

A name that is taken by a local user, by another connector or by another subject of the same provider is refused.
Roles and traits are what the provider says now: nothing of an earlier login stays, also not in its certificates.
"""

from __future__ import annotations

import asyncio

import msgspec

from teleport.auth.access_lists.grants import withdraw
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.auth.user_rules import MAX_ROLES, check_name
from teleport.foundation.errors import AccessDenied, AlreadyExists, NotFound, RevisionConflict, Unavailable
from teleport.model.events.user import UserCreated, UserUpdated
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.user import ConnectorRef, CreatedBy, ExternalIdentity, User, UserSpec
from teleport.policy.certificate import certificate_terms

_ATTEMPTS = 10
TYPE = "oidc"


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the provider of a connector means by `subject`, and what that gives here."""

    connector: str
    name: str
    subject: str
    traits: dict[str, tuple[str, ...]]
    roles: tuple[str, ...] = ()


async def account_of(cluster: Cluster, caller: Caller, proved: Proved) -> User:
    """The user, written. Raises AccessDenied and BadParameter with the reason."""
    check_name(proved.name)
    if len(proved.roles) > MAX_ROLES:
        raise AccessDenied(f"the connector gives {len(proved.roles)} roles, at most {MAX_ROLES} are allowed")
    for _ in range(_ATTEMPTS):
        old = await cluster.store.find(User, proved.name)
        _check_owner(proved, old)
        user = await _made(cluster, proved, old)
        if old is not None:
            # before anything else: what was withdrawn must not open a door while this login is still going on
            await _withdraw(cluster, old, user)
        try:
            written = await (cluster.store.create(user) if old is None else cluster.store.update(user))
        except (AlreadyExists, RevisionConflict, NotFound):
            await asyncio.sleep(0)
            continue
        await _record(cluster, caller, written, old)
        return written
    raise Unavailable(f"user {proved.name!r} is being changed by many at once; try again")


async def take_back(cluster: Cluster, caller: Caller, proved: Proved) -> None:
    """Whom the provider gives no role any more keeps none of an earlier login. Somebody else's account stays."""
    old = await cluster.store.find(User, proved.name)
    if is_account_of(old, proved.connector) and _is_of_subject(old, proved):
        await account_of(cluster, caller, msgspec.structs.replace(proved, roles=()))


def is_account_of(user: User | None, connector: str) -> bool:
    """Whether a user is one of this connector's."""
    created = user.spec.created_by.connector if user is not None and user.spec.created_by is not None else None
    return created is not None and (created.type, created.id) == (TYPE, connector)


def _check_owner(proved: Proved, old: User | None) -> None:
    if old is None:
        return
    if not old.is_sso:
        raise AccessDenied(f"the name {proved.name!r} belongs to a local user")
    if not is_account_of(old, proved.connector):
        raise AccessDenied(f"the name {proved.name!r} belongs to a user of another connector")
    if not _is_of_subject(old, proved):
        raise AccessDenied(
            f"the name {proved.name!r} belongs to another subject of this provider, not to {proved.subject!r}"
        )


def _is_of_subject(user: User | None, proved: Proved) -> bool:
    known = user.spec.oidc_identities if user is not None else []
    return (proved.connector, proved.subject) in [(one.connector_id, one.user_id) for one in known]


async def _made(cluster: Cluster, proved: Proved, old: User | None) -> User:
    now = cluster.clock.now()
    spec = UserSpec(
        roles=list(proved.roles),
        traits={name: list(values) for name, values in proved.traits.items()},
        oidc_identities=[
            ExternalIdentity(connector_id=proved.connector, username=proved.name, user_id=proved.subject)
        ],
        created_by=CreatedBy(
            connector=ConnectorRef(id=proved.connector, type=TYPE, identity=proved.name),
            time=old.spec.created_by.time if old is not None and old.spec.created_by is not None else now,
        ),
        status=old.spec.status if old is not None else None,
        trusted_device_ids=old.spec.trusted_device_ids if old is not None else [],
    )
    identity = Identity(
        username=proved.name, cluster=cluster.name, expires=now, roles=proved.roles, traits=proved.traits
    )
    default_ttl = (await cluster.preference()).spec.default_session_ttl.delta
    ttl = certificate_terms(await role_set_of(cluster, identity), None, default_ttl=default_ttl).ttl
    metadata = Metadata(name=proved.name) if old is None else msgspec.structs.replace(old.metadata)
    # a certificate of an earlier login must not outlive the account: what it carries is taken back through it
    metadata.expires = max(now + ttl, old.expires) if old is not None and old.expires is not None else now + ttl
    user = User(metadata=metadata, spec=spec)
    user.check()
    return user


async def _withdraw(cluster: Cluster, old: User, new: User) -> None:
    roles = set(old.spec.roles) - set(new.spec.roles)
    traits = {
        name: lost
        for name, values in old.spec.traits.items()
        if (lost := set(values) - set(new.spec.traits.get(name, ())))
    }
    await withdraw(cluster, old.name, sorted(roles), {name: sorted(lost) for name, lost in traits.items()})


async def _record(cluster: Cluster, caller: Caller, user: User, old: User | None) -> None:
    if old is not None and (old.spec.roles, old.spec.traits) == (user.spec.roles, user.spec.traits):
        return
    kind = UserCreated if old is None else UserUpdated
    assert user.spec.created_by is not None
    assert user.spec.created_by.connector is not None
    fields = {**caller.event_fields(), "user": user.name}
    event = kind(
        name=user.name,
        roles=list(user.spec.roles),
        connector=user.spec.created_by.connector.id,
        expires=user.expires,
        **fields,
    )
    await cluster.journal.record(event)
