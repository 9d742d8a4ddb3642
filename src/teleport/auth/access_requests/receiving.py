"""Reviews that come in: proved by their signature, taken once, given with the roles of the user the plugin names."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.api.routes.webhooks import ReceiveReview, ReviewReceived
from teleport.auth.access_requests.deciding import Deciding
from teleport.auth.caller import Caller, role_set_of
from teleport.auth.cluster import Cluster
from teleport.auth.holdings import holdings_of
from teleport.auth.webhooks.hooks import Webhook, webhook_of
from teleport.credentials.tokens import digest
from teleport.credentials.webhook_signatures import is_signed
from teleport.foundation.errors import AccessDenied, AlreadyExists, BadParameter, NotAuthenticated
from teleport.model.events.user import AuthFailed
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import MAX_REASON, AccessReview
from teleport.model.resources.integration import Plugin
from teleport.model.resources.lock import Lock
from teleport.model.resources.user import User
from teleport.model.resources.webhook import WebhookReceipt
from teleport.policy import locks

TOLERANCE = timedelta(minutes=5)
REFUSAL = "the message is not signed as it must be"
_MAX_ID = 128


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    access_request: str
    state: str
    reason: str = ""


class Receiving:
    """What strangers may call; whatever is wrong with a signature reads the same."""

    def __init__(self, cluster: Cluster, deciding: Deciding) -> None:
        self._cluster = cluster
        self._deciding = deciding

    async def review(self, caller: Caller, request: ReceiveReview) -> ReviewReceived:
        """Raises NotAuthenticated, AccessDenied, BadParameter, NotFound."""
        hook = await self._proved(caller, request)
        try:
            message = msgspec.json.decode(request.content, type=_Message)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise BadParameter(f"message: {problem}") from problem
        if message.state not in ("APPROVED", "DENIED") or len(message.reason) > MAX_REASON:
            raise BadParameter(f"message: state is APPROVED or DENIED, reason has at most {MAX_REASON} characters")
        identity = await self._reviewer(hook)
        review = AccessReview(
            author=identity.username,
            proposed_state="APPROVED" if message.state == "APPROVED" else "DENIED",
            reason=message.reason,
            created=self._cluster.clock.now(),
            annotations={"plugin": [hook.name]},
        )
        role_set = (await role_set_of(self._cluster, identity)).at(self._cluster.clock.now())
        speaking = Caller(caller.address, identity, role_set, caller.user_agent)
        written = await self._deciding.review_as(speaking, role_set, message.access_request, review)
        return ReviewReceived(written.spec.state)

    async def _proved(self, caller: Caller, request: ReceiveReview) -> Webhook:
        plugin = await self._cluster.store.find(Plugin, request.plugin) if len(request.plugin) <= 255 else None
        try:
            hook = webhook_of(plugin) if plugin is not None else None
        except BadParameter:
            hook = None
        now = self._cluster.clock.now()
        is_timely = abs(now.timestamp() - request.timestamp) <= TOLERANCE.total_seconds()
        secret = hook.secret if hook is not None else digest(request.id)
        is_right = is_signed(secret, request.id, request.timestamp, request.content, request.signature)
        if hook is None or not is_right or not is_timely or not 0 < len(request.id) <= _MAX_ID:
            raise await self._refused(caller, f"webhook {request.plugin[:100]!r}: wrong signature or time")
        receipt = WebhookReceipt(
            metadata=Metadata(name=digest(f"{hook.name}/{request.id}"), expires=now + 3 * TOLERANCE)
        )
        try:
            await self._cluster.store.create(receipt)
        except AlreadyExists:
            raise await self._refused(caller, f"webhook {hook.name!r}: message {request.id!r} came before") from None
        return hook

    async def _refused(self, caller: Caller, why: str) -> NotAuthenticated:
        event = AuthFailed(success=False, error=why, **caller.event_fields())
        return NotAuthenticated(REFUSAL, event_id=await self._cluster.journal.record(event))

    async def _reviewer(self, hook: Webhook) -> Identity:
        user = await self._cluster.store.find(User, hook.reviewer) if hook.reviewer else None
        if user is None:
            raise AccessDenied(f"plugin {hook.name!r} names no reviewer that exists: its reviews are not taken")
        held = await holdings_of(self._cluster, user)
        now = self._cluster.clock.now()
        identity = Identity(
            username=user.name,
            cluster=self._cluster.name,
            expires=now + TOLERANCE,
            roles=held.roles,
            traits=held.traits,
        )
        in_force = [lock async for lock in self._cluster.store.iterate(Lock)]
        lock = locks.blocking(in_force, identity, None, now)
        if lock is not None:
            raise AccessDenied(locks.message(lock))
        return identity
