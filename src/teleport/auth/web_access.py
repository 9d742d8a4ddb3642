"""Approved access requests in a browser's session: taken on, dropped, and over by themselves.

The session keeps the certificates of its login beside those that carry what was approved, so that nothing needs to be
issued when the access ends.
"""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec

from teleport.api.routes.sessions import AccessAssumed, AssumeAccess
from teleport.auth.access_requests.assuming import ALL, Assumed, Assuming
from teleport.auth.caller import Caller
from teleport.auth.certificates import Certificates, Draft, Keys
from teleport.auth.cluster import Cluster
from teleport.auth.live_sessions import GONE
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound, RevisionConflict, Unavailable
from teleport.model.resources.web_session import AssumedAccess, WebSession

_ATTEMPTS = 20


class WebAccess:
    """For people who call from a browser, about the session they call with."""

    def __init__(self, cluster: Cluster, certificates: Certificates, assuming: Assuming) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._certificates = certificates
        self._assuming = assuming

    async def assume(self, caller: Caller, request: AssumeAccess) -> AccessAssumed:
        """Raises AccessDenied for a request that is not the caller's or not in force; BadParameter elsewhere."""
        if not caller.web_session:
            raise BadParameter("this is for the session of a browser; elsewhere: tsh login --request-id=ID")
        if not request.access_requests and not request.drop_access_requests:
            raise BadParameter("name the access requests to take on or to drop")
        session = await self._session(caller.web_session)
        assert session.expires is not None
        # the login that the session came from is the source, not the shorter certificate that stands in for it
        source = msgspec.structs.replace(caller.person(), expires=session.expires)
        keeps_nothing = ALL in request.drop_access_requests and not request.access_requests
        access: AssumedAccess | None = None
        if not keeps_nothing:
            asking = dataclasses.replace(caller, identity=source)
            assumed = await self._assuming.assumed(asking, request.access_requests, request.drop_access_requests)
            if assumed.identity.active_requests:
                access = await self._issued(caller, session, assumed)
        await self._keep(session.name, access)
        if access is None:
            return AccessAssumed()
        return AccessAssumed(access_requests=tuple(access.requests), access_ends=access.expires)

    async def _issued(self, caller: Caller, session: WebSession, assumed: Assumed) -> AssumedAccess:
        spec, now = session.spec, self._cluster.clock.now()
        assert spec.ssh_key is not None
        assert spec.tls_key is not None
        ssh_key, tls_key = (PrivateKey.from_pem(key.reveal()) for key in (spec.ssh_key, spec.tls_key))
        draft = Draft(
            identity=assumed.identity,
            role_set=assumed.role_set,
            keys=Keys(ssh_key.public, tls_key.public),
            now=now,
            address=caller.address,
            wanted_ttl=assumed.ceiling - now,
            ceiling=assumed.ceiling,
            shown=assumed.identity,
        )
        issued = await self._certificates.issue(caller, draft)
        assert issued.expires is not None
        return AssumedAccess(
            requests=list(assumed.identity.active_requests),
            tls_certificate=issued.tls_certificate.decode(),
            ssh_certificate=issued.ssh_certificate.decode(),
            expires=issued.expires,
        )

    async def _session(self, name: str) -> WebSession:
        session = await self._store.find(WebSession, name)
        if session is None:
            raise NotAuthenticated(GONE)
        return session

    async def _keep(self, name: str, access: AssumedAccess | None) -> None:
        """Again when a proxy noted meanwhile that the session is in use."""
        for _ in range(_ATTEMPTS):
            session = await self._session(name)
            session.spec.assumed = access
            try:
                await self._store.update(session)
                return
            except NotFound:
                raise NotAuthenticated(GONE) from None
            except RevisionConflict:
                await asyncio.sleep(0)
        raise Unavailable("the web session is being changed by many at once; try again")
