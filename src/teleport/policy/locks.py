"""Locks: what stops whom, now. The facts of a lock's target are joined by AND; an expired lock is none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from teleport.model.identity import Identity
from teleport.model.resource import Resource
from teleport.model.resources.lock import Lock
from teleport.policy.decision import Code, Reason

MAX_AGE = timedelta(minutes=5)

# as they are called in the message
_TITLES = {
    "user": "User",
    "role": "Role",
    "login": "Login",
    "server_id": "ServerID",
    "mfa_device": "MFADevice",
    "windows_desktop": "WindowsDesktop",
    "access_request": "AccessRequest",
    "device": "Device",
    "bot_instance_id": "BotInstanceID",
    "join_token": "JoinToken",
    "session_id": "SessionID",
}


def blocking(
    locks: Iterable[Lock],
    identity: Identity,
    resource: Resource | None,
    now: datetime,
    *,
    login: str = "",
    session: str = "",
) -> Lock | None:
    """The first lock, by name, that stops this identity from what it does.

    At `resource`, as `login`, in the session with the id `session`, where given.
    """
    facts: dict[str, frozenset[str]] | None = None
    found: Lock | None = None
    for lock in locks:
        target = lock.spec.target.fields()
        if not target or not lock.is_in_force(now) or (lock.metadata.expires and lock.metadata.expires <= now):
            continue
        facts = facts if facts is not None else _facts(identity, resource, login, session)
        hits = all(value in facts.get(name, ()) for name, value in target.items())
        if hits and (found is None or lock.name < found.name):
            found = lock
    return found


def message(lock: Lock) -> str:
    """`lock targeting User:"alice" is in force: left the company`"""
    target = " ".join(f'{_TITLES[name]}:"{value}"' for name, value in lock.spec.target.fields().items())
    because = f": {lock.spec.message}" if lock.spec.message else ""
    return f"lock targeting {target} is in force{because}"


def reason(lock: Lock, kind: str = "") -> Reason:
    return Reason(code=Code.LOCKED, kind=kind, name=lock.name, detail=message(lock))


def is_of_resource(lock: Lock) -> bool:
    """Whether its message tells of a resource rather than of the person alone."""
    return not {"server_id", "windows_desktop"}.isdisjoint(lock.spec.target.fields())


def is_stale(mode: str, age: timedelta | None) -> bool:
    """In strict mode locks older than five minutes, or of unknown age, stop everything."""
    return mode == "strict" and (age is None or age > MAX_AGE)


def _facts(identity: Identity, resource: Resource | None, login: str, session: str) -> dict[str, frozenset[str]]:
    servers = {identity.host_id, f"{identity.host_id}.{identity.cluster}"} if identity.host_id else set[str]()
    desktops = set[str]()
    if resource is not None and resource.kind == "node":
        servers |= {resource.name, f"{resource.name}.{identity.cluster}"}
    if resource is not None and resource.kind == "windows_desktop":
        desktops.add(resource.name)
    people = set[str]() if identity.is_host else {identity.username, identity.impersonator}
    return {
        "user": _set(people),
        "role": frozenset(identity.roles),
        "login": _set({login}),
        "server_id": frozenset(servers),
        "mfa_device": _set({identity.mfa_verified}),
        "windows_desktop": frozenset(desktops),
        "access_request": frozenset(identity.active_requests),
        "device": _set({identity.device_id}),
        "bot_instance_id": _set({identity.bot_instance_id}),
        "session_id": _set({session}),
    }


def _set(values: set[str]) -> frozenset[str]:
    return frozenset(value for value in values if value)
