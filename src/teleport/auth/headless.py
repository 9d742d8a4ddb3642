"""Headless logins: somebody waits on a machine that has nothing; the user approves it elsewhere, with WebAuthn.

A request is named after the key it wants certified, belongs to one user, waits three minutes, and is used up by its
answer. Unknown users wait like others: nothing here tells who exists.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta

from teleport.api.route import Empty
from teleport.api.routes.headless import (
    HeadlessDecision,
    HeadlessId,
    HeadlessLogin,
    HeadlessRequest,
    HeadlessRequests,
)
from teleport.api.routes.login import LoginGranted
from teleport.api.routes.mfa import MfaResponse
from teleport.auth.caller import Caller
from teleport.auth.certificates import Certificates, Keys
from teleport.auth.cluster import Cluster
from teleport.auth.mfa import MultiFactor
from teleport.auth.second_factor import SecondFactors
from teleport.foundation.errors import (
    AccessDenied,
    AlreadyExists,
    BadParameter,
    LimitExceeded,
    NotFound,
    RevisionConflict,
    TeleportError,
    Unsupported,
)
from teleport.model.events.user import (
    HeadlessLoginApprovalFailed,
    HeadlessLoginApproved,
    HeadlessLoginRejected,
    HeadlessLoginRequested,
    UserLogin,
)
from teleport.model.resource import Metadata
from teleport.model.resources.headless_authentication import (
    HeadlessAuthentication,
    HeadlessAuthenticationSpec,
    headless_id,
)
from teleport.model.resources.user import User
from teleport.storage.backend import Gap

PATIENCE = timedelta(minutes=3)
CERTIFICATE_TTL = timedelta(minutes=1)
MAX_PENDING = 10
MAX_PENDING_OF_ADDRESS = 3
_MAX_NAME = 255
_GONE = "there is no such headless login of yours: it was decided, has ended, or belongs to somebody else"


class Headless:
    """Requests, and their users' decisions."""

    def __init__(
        self, cluster: Cluster, factors: SecondFactors, multi_factor: MultiFactor, certificates: Certificates
    ) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._factors = factors
        self._multi_factor = multi_factor
        self._certificates = certificates

    async def login(self, caller: Caller, request: HeadlessLogin) -> LoginGranted:
        """Certificates of a minute, once the user has approved. Raises AccessDenied otherwise."""
        await self._check_offered()
        keys = Keys.read(request.ssh_pub_key, request.tls_pub_key)
        waiting = self._new(caller, request)
        await self._check_room(waiting)
        try:
            await self._store.create(waiting)
        except AlreadyExists:
            raise AlreadyExists("a login with this key waits already: make another key") from None
        try:
            await self._record(HeadlessLoginRequested, caller, waiting)
            decided = await self._decision(waiting.name)
        finally:
            with contextlib.suppress(NotFound):
                await self._store.delete(HeadlessAuthentication, waiting.name)
        if decided is None or decided.spec.state != "approved":
            raise AccessDenied("the headless login was denied" if decided else "nobody approved it in time")
        return await self._grant(caller, decided, keys, request)

    async def pending(self, caller: Caller, request: Empty) -> HeadlessRequests:
        """Of the caller, those that wait."""
        name, now = caller.person().username, self._cluster.clock.now()
        found = [
            _shown(one)
            async for one in self._store.iterate(HeadlessAuthentication)
            if one.spec.user == name and one.spec.state == "pending" and not _is_over(one, now)
        ]
        return HeadlessRequests(tuple(found))

    async def show(self, caller: Caller, request: HeadlessId) -> HeadlessRequest:
        return _shown(await self._own(caller, request.id))

    async def decide(self, caller: Caller, request: HeadlessDecision) -> HeadlessRequest:
        """By its user alone. Raises NotFound for others, AccessDenied for a wrong proof."""
        if request.action not in ("accept", "deny"):
            raise BadParameter(f"action {request.action!r}: expected accept or deny")
        try:
            waiting = await self._own(caller, request.id)
            if waiting.spec.state != "pending":
                raise BadParameter("the headless login was decided already")
            if request.action == "deny":
                return await self._decide(caller, waiting, "denied", "")
            await self._check_offered()
            response = MfaResponse(webauthn_response=request.webauthn_assertion_response)
            proved = await self._multi_factor.check(caller, response, "headless")
            return await self._decide(caller, waiting, "approved", proved.device.id)
        except (AccessDenied, NotFound, BadParameter) as error:
            event = HeadlessLoginApprovalFailed(
                method="headless", success=False, error=error.message, message=request.id, **caller.event_fields()
            )
            event_id = await self._cluster.journal.record(event)
            error.event_id = error.event_id or event_id
            raise

    async def _decide(
        self, caller: Caller, waiting: HeadlessAuthentication, state: str, device: str
    ) -> HeadlessRequest:
        waiting.spec.state = "approved" if state == "approved" else "denied"
        waiting.spec.mfa_device = device
        try:
            written = await self._store.update(waiting)
        except (RevisionConflict, NotFound):
            raise NotFound(_GONE) from None
        event: type[UserLogin] = HeadlessLoginApproved if state == "approved" else HeadlessLoginRejected
        await self._record(event, caller, written)
        return _shown(written)

    async def _check_offered(self) -> None:
        is_wanted = (await self._cluster.preference()).spec.headless
        if not is_wanted or "webauthn" not in await self._factors.allowed():
            raise Unsupported("headless login is not offered here")

    def _new(self, caller: Caller, request: HeadlessLogin) -> HeadlessAuthentication:
        if not request.ssh_pub_key or not request.user or len(request.user) > _MAX_NAME:
            raise BadParameter("a user name and an SSH public key are needed")
        name = headless_id(request.ssh_pub_key)
        if request.headless_id not in ("", name):
            raise BadParameter("headless_id is not the one of this SSH key")
        return HeadlessAuthentication(
            metadata=Metadata(name=name, expires=self._cluster.clock.now() + PATIENCE),
            spec=HeadlessAuthenticationSpec(
                user=request.user,
                ssh_public_key=request.ssh_pub_key.decode("utf-8", "replace"),
                tls_public_key=request.tls_pub_key.decode("utf-8", "replace"),
                client_ip_address=caller.address,
            ),
        )

    async def _check_room(self, wanted: HeadlessAuthentication) -> None:
        """One stranger must not fill the list of a user, nor many make it too long to read."""
        now, spec = self._cluster.clock.now(), wanted.spec
        of_user = [
            one
            async for one in self._store.iterate(HeadlessAuthentication)
            if one.spec.user == spec.user and not _is_over(one, now)
        ]
        of_address = [one for one in of_user if one.spec.client_ip_address == spec.client_ip_address]
        if len(of_user) >= MAX_PENDING or len(of_address) >= MAX_PENDING_OF_ADDRESS:
            raise LimitExceeded("too many headless logins of this user wait; decide them, or wait three minutes")

    async def _decision(self, name: str) -> HeadlessAuthentication | None:
        """The request once it is decided; None when it ended undecided."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE.total_seconds()):
                while True:
                    decided = await self._next_change(name)
                    if decided is None or decided.spec.state != "pending":
                        return decided
        return None

    async def _next_change(self, name: str) -> HeadlessAuthentication | None:
        # subscribed before it is read, so that no decision falls between the two
        subscription = self._cluster.feed.subscribe((HeadlessAuthentication.KIND,))
        try:
            present = await self._store.find(HeadlessAuthentication, name)
            if present is None or present.spec.state != "pending":
                return present
            async for change in subscription:
                if isinstance(change, Gap) or change.name == name:
                    break
            return await self._store.find(HeadlessAuthentication, name)
        finally:
            subscription.close()

    async def _grant(
        self, caller: Caller, decided: HeadlessAuthentication, keys: Keys, request: HeadlessLogin
    ) -> LoginGranted:
        user = await self._store.find(User, decided.spec.user)
        if user is None or user.is_bot:
            raise AccessDenied("the headless login was denied")
        asked = timedelta(microseconds=request.ttl // 1000) if request.ttl > 0 else CERTIFICATE_TTL
        issued = await self._certificates.for_login(
            caller,
            user,
            keys,
            ttl=min(asked, CERTIFICATE_TTL),
            compatibility=request.compatibility,
            route_to_cluster=request.route_to_cluster,
            proved_device=decided.spec.mfa_device,
        )
        return LoginGranted(
            username=user.name,
            cert=issued.ssh_certificate,
            tls_cert=issued.tls_certificate,
            host_signers=issued.host_signers,
            expires=issued.expires,
        )

    async def _own(self, caller: Caller, name: str) -> HeadlessAuthentication:
        identity = caller.person()
        if identity.bot_name or identity.impersonator:
            raise AccessDenied("a headless login is approved by its user, nobody else")
        try:
            found = await self._store.find(HeadlessAuthentication, name)
        except TeleportError:
            found = None
        is_live = found is not None and not _is_over(found, self._cluster.clock.now())
        if found is None or not is_live or found.spec.user != identity.username:
            raise NotFound(_GONE)
        return found

    async def _record(self, event: type[UserLogin], caller: Caller, one: HeadlessAuthentication) -> None:
        fields = {**caller.event_fields(), "user": one.spec.user}
        await self._cluster.journal.record(event(method="headless", success=True, message=one.name, **fields))


def _is_over(one: HeadlessAuthentication, now: datetime) -> bool:
    return one.expires is not None and one.expires <= now


def _shown(one: HeadlessAuthentication) -> HeadlessRequest:
    assert one.expires is not None
    return HeadlessRequest(
        id=one.name,
        user=one.spec.user,
        state=one.spec.state,
        client_ip_address=one.spec.client_ip_address,
        expires=one.expires,
    )
