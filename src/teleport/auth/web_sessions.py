"""Web sessions: made for a browser by a login, kept for proxies, ended by time, by silence, or by logging out.

The store keeps a digest of the cookie's secret: who reads the store cannot use a session by its name.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from teleport.api.route import Empty
from teleport.api.routes.login import WebSessionGrant
from teleport.api.routes.sessions import WebSessionId
from teleport.auth.caller import Caller
from teleport.auth.certificates import Certificates, Keys
from teleport.auth.cluster import Cluster
from teleport.auth.live_sessions import GONE, find_live
from teleport.auth.settings import BEARER_TTL
from teleport.credentials.keys import PrivateKey
from teleport.credentials.tokens import digest, random_token
from teleport.foundation.errors import NotAuthenticated, NotFound, RevisionConflict
from teleport.model.resource import Metadata
from teleport.model.resources.user import User
from teleport.model.resources.web_session import WebSession, WebSessionSpec
from teleport.model.sensitive import Secret

_TOUCH = timedelta(seconds=30)


class WebSessions:
    """Every call but `create` and `end_all` is a proxy's."""

    def __init__(self, cluster: Cluster, certificates: Certificates) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._certificates = certificates

    async def create(self, caller: Caller, user: User) -> WebSessionGrant:
        """For a user who has just proved who they are; certificates and session end together."""
        ssh_key, tls_key = PrivateKey.generate("ed25519"), PrivateKey.generate("ecdsa-p256")
        issued = await self._certificates.for_login(caller, user, Keys(ssh_key.public, tls_key.public))
        now = self._cluster.clock.now()
        assert issued.expires is not None
        secret = random_token(32)
        session = WebSession(
            metadata=Metadata(name=digest(secret), expires=issued.expires),
            spec=WebSessionSpec(
                user=user.name,
                ssh_key=Secret(ssh_key.ssh_pem()),
                ssh_certificate=issued.ssh_certificate.decode(),
                tls_key=Secret(tls_key.pem()),
                tls_certificate=issued.tls_certificate.decode(),
                login_time=now,
                last_active=now,
                idle_timeout=(await self._cluster.networking()).spec.web_idle,
                client_addr=caller.address,
                user_agent=caller.user_agent,
            ),
        )
        _renew_bearer(session, now)
        return _grant(await self._store.create(session), secret, tuple(user.spec.roles), now)

    async def get(self, caller: Caller, request: WebSessionId) -> WebSessionGrant:
        """The session, noted as in use. Raises NotAuthenticated when it ended or nothing was heard for too long."""
        session, user = await find_live(self._cluster, request.session_id)
        now = self._cluster.clock.now()
        if session.spec.last_active is None or now - session.spec.last_active > _TOUCH:
            session.spec.last_active = now
            session = await self._written(session, request.session_id)
        return _grant(session, request.session_id, tuple(user.spec.roles), now)

    async def renew(self, caller: Caller, request: WebSessionId) -> WebSessionGrant:
        """A fresh bearer token; the session's end stays."""
        session, user = await find_live(self._cluster, request.session_id)
        now = self._cluster.clock.now()
        session.spec.last_active = now
        _renew_bearer(session, now)
        session = await self._written(session, request.session_id)
        return _grant(session, request.session_id, tuple(user.spec.roles), now)

    async def delete(self, caller: Caller, request: WebSessionId) -> Empty:
        """Log out; a session that is gone already is fine."""
        with contextlib.suppress(NotFound):
            await self._store.delete(WebSession, digest(request.session_id))
        return Empty()

    async def end_all(self, user: str, keep: str = "") -> None:
        """Every session of a user whose credentials changed or who is gone, but the one named `keep`."""
        async for session in self._store.iterate(WebSession):
            if session.spec.user == user and session.name != keep:
                with contextlib.suppress(NotFound):
                    await self._store.delete(WebSession, session.name)

    async def _written(self, session: WebSession, secret: str) -> WebSession:
        try:
            return await self._store.update(session)
        except RevisionConflict:
            return (await find_live(self._cluster, secret))[
                0
            ]  # another proxy wrote at the same moment: as good as ours
        except NotFound:
            raise NotAuthenticated(GONE) from None


def _renew_bearer(session: WebSession, now: datetime) -> None:
    session.spec.bearer_token = Secret(random_token(32))
    end = now + BEARER_TTL
    session.spec.bearer_token_expires = min(end, session.expires) if session.expires else end


def _grant(session: WebSession, secret: str, roles: tuple[str, ...], now: datetime) -> WebSessionGrant:
    spec, assumed = session.spec, session.assumed_at(now)
    assert spec.bearer_token
    assert spec.bearer_token_expires
    assert session.expires
    assert spec.tls_key
    assert spec.ssh_key
    return WebSessionGrant(
        username=spec.user,
        session_id=secret,
        bearer_token=spec.bearer_token.reveal(),
        bearer_expires=spec.bearer_token_expires,
        expires=session.expires,
        inactive_timeout=int(spec.idle_timeout.total_seconds() * 1000) if spec.idle_timeout else 0,
        tls_certificate=session.tls_certificate_at(now).encode(),
        tls_key=spec.tls_key.reveal().encode(),
        ssh_certificate=session.ssh_certificate_at(now).encode(),
        ssh_key=spec.ssh_key.reveal().encode(),
        roles=roles,
        access_requests=tuple(assumed.requests) if assumed else (),
        access_ends=assumed.expires if assumed else None,
    )
