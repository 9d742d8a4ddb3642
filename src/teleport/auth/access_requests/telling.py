"""Who is told of what happens to requests, and which are decided by rules: access monitoring rules, and webhooks."""

from __future__ import annotations

from typing import Literal

import msgspec

from teleport.auth.access_requests import terms
from teleport.auth.cluster import Cluster
from teleport.auth.webhooks.outbox import Outbox
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.codec import to_plain
from teleport.model.resources.access_monitoring_rule import AccessMonitoringRule
from teleport.model.resources.access_request import AccessRequest, AccessReview
from teleport.model.resources.user import User
from teleport.policy import access_monitoring

log = get_logger("auth.access_requests")

Happening = Literal["created", "reviewed", "resolved"]


class Surroundings(msgspec.Struct, frozen=True):
    """What rules look at besides the request."""

    rules: list[AccessMonitoringRule]
    traits: dict[str, tuple[str, ...]]
    labels: list[dict[str, str]]


class Telling:
    """Failures are logged: nobody is kept from deciding because somebody could not be told."""

    def __init__(self, cluster: Cluster, outbox: Outbox) -> None:
        self._cluster = cluster
        self._outbox = outbox

    async def tell(self, what: Happening, request: AccessRequest, review: AccessReview | None = None) -> None:
        """Keep a message for every webhook that wants it."""
        try:
            await self._tell(what, request, review)
        except TeleportError as error:
            log.error("webhooks were not told of an access request", request=request.name, event=what, error=error)

    async def _tell(self, what: Happening, request: AccessRequest, review: AccessReview | None) -> None:
        hooks = [hook for hook in await self._outbox.hooks() if what in hook.events and hook.destination is not None]
        if not hooks:
            return
        around = await self.surroundings(request)
        notices = access_monitoring.notices(around.rules, request, around.traits, around.labels)
        for hook in hooks:
            recipients = [who for notice in notices if notice.plugin == hook.name for who in notice.recipients]
            if hook.by_rules and not any(notice.plugin == hook.name for notice in notices):
                continue
            message: dict[str, object] = {
                "time": self._cluster.clock.now().isoformat(),
                "cluster": self._cluster.name,
                "access_request": to_plain(request),
                "recipients": list(dict.fromkeys(recipients)),
            }
            if review is not None:
                message["review"] = msgspec.to_builtins(review)
            await self._outbox.put(hook, what, message)

    async def automatic_review(self, request: AccessRequest) -> access_monitoring.Verdict | None:
        """What rules decide of it by themselves."""
        around = await self.surroundings(request)
        return access_monitoring.automatic_review(around.rules, request, around.traits, around.labels)

    async def surroundings(self, request: AccessRequest) -> Surroundings:
        rules = [one async for one in self._cluster.store.iterate(AccessMonitoringRule)]
        if not rules:
            return Surroundings([], {}, [])
        user = await self._cluster.store.find(User, request.spec.user)
        traits = {name: tuple(values) for name, values in user.spec.traits.items()} if user is not None else {}
        labels: list[dict[str, str]] = []
        for one in request.spec.requested_resource_ids:
            resource = await terms.find_resource(self._cluster, one)
            labels.append(dict(resource.labels) if resource is not None else {})
        return Surroundings(rules, traits, labels)
