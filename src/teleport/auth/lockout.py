"""Counting failed logins: five within thirty minutes lock the name for thirty, whether or not such a user exists.

Attempts of one name are judged one after the other, so that guessing side by side gains nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from teleport.auth.cluster import Cluster
from teleport.auth.settings import LOGIN_FAILURES, LOGIN_LOCK, LOGIN_WINDOW
from teleport.foundation.errors import NotFound, RevisionConflict
from teleport.foundation.logs import get_logger
from teleport.model.resource import Metadata
from teleport.model.resources.user import LoginStatus, User
from teleport.model.resources.user_secrets import LoginAttempts

log = get_logger("auth.lockout")

_MAX_NAME = 200
_ATTEMPTS = 5


class Lockout:
    """Who may try to log in."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait until no other attempt of this name is being judged."""
        lock = self._turns.get(name)
        if lock is None:
            lock = self._turns[name] = asyncio.Lock()
        async with lock:
            yield

    async def is_locked(self, name: str) -> bool:
        """A user's own status decides, so that an administrator may unlock; of others, what was counted."""
        now = self._cluster.clock.now()
        user = await self._cluster.store.find(User, name)
        if user is not None:
            status = user.spec.status
            return bool(status and status.is_locked and (status.lock_expires is None or status.lock_expires > now))
        attempts = await self._cluster.store.find(LoginAttempts, name[:_MAX_NAME])
        return bool(attempts and attempts.spec.locked_until and attempts.spec.locked_until > now)

    async def failed(self, name: str) -> bool:
        """Count a failure; whether it locked the name."""
        for _ in range(_ATTEMPTS):
            try:
                return await self._count(name[:_MAX_NAME])
            except RevisionConflict:
                continue
        return False

    async def succeeded(self, name: str) -> None:
        """Forget the failures."""
        try:
            await self._cluster.store.delete(LoginAttempts, name[:_MAX_NAME])
        except NotFound:
            return

    async def _count(self, name: str) -> bool:
        now = self._cluster.clock.now()
        store = self._cluster.store
        attempts = await store.find(LoginAttempts, name) or LoginAttempts(metadata=Metadata(name=name))
        recent = [*(moment for moment in attempts.spec.failed if now - moment < LOGIN_WINDOW), now]
        locks = len(recent) >= LOGIN_FAILURES
        attempts.spec.failed = [] if locks else recent
        attempts.spec.locked_until = now + LOGIN_LOCK if locks else attempts.spec.locked_until
        attempts.metadata.expires = now + max(LOGIN_WINDOW, LOGIN_LOCK)
        await (store.update(attempts) if attempts.revision else store.upsert(attempts))
        if locks:
            await self._lock_user(name)
        return locks

    async def _lock_user(self, name: str) -> None:
        now = self._cluster.clock.now()
        user = await self._cluster.store.find(User, name)
        if user is None:
            return
        user.spec.status = LoginStatus(
            is_locked=True,
            locked_message=f"{LOGIN_FAILURES} failed logins",
            locked_time=now,
            lock_expires=now + LOGIN_LOCK,
        )
        await self._cluster.store.update(user)
        log.warning("user locked after failed logins", user=name)
