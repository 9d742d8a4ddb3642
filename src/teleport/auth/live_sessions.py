"""Web sessions that have not ended: found by their secret."""

from __future__ import annotations

import contextlib

from teleport.auth.cluster import Cluster
from teleport.credentials.tokens import digest
from teleport.foundation.errors import NotAuthenticated, NotFound
from teleport.model.resources.user import User
from teleport.model.resources.web_session import WebSession

GONE = "the web session has ended; log in again"


async def find_live(cluster: Cluster, secret: str) -> tuple[WebSession, User]:
    """The session and whose it is; one that was silent for too long ends here. Raises NotAuthenticated."""
    session = await cluster.store.find(WebSession, digest(secret)) if secret else None
    now = cluster.clock.now()
    if session is None or (session.expires is not None and session.expires <= now):
        raise NotAuthenticated(GONE)
    if session.is_idle(now):
        with contextlib.suppress(NotFound):
            await cluster.store.delete(WebSession, session.name)
        raise NotAuthenticated("the web session was idle for too long; log in again")
    user = await cluster.store.find(User, session.spec.user)
    if user is None:
        raise NotAuthenticated(GONE)
    return session, user
