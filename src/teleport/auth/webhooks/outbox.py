"""Messages that wait in the store until their webhook has taken them; a restart loses none."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import msgspec

from teleport.auth.cluster import Cluster
from teleport.auth.webhooks.hooks import Webhook, webhook_of
from teleport.auth.webhooks.sending import send
from teleport.credentials.tokens import new_uuid
from teleport.foundation.errors import BadParameter, NotFound, RevisionConflict, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resource import Metadata
from teleport.model.resources.integration import Plugin
from teleport.model.resources.webhook import WebhookDelivery, WebhookDeliverySpec

log = get_logger("auth.webhooks")

KEPT = timedelta(hours=24)
_FIRST, _LONGEST = timedelta(seconds=2), timedelta(minutes=10)
_SENDING = timedelta(seconds=30)
_TICK = 2.0
_AT_ONCE = 8


class Outbox:
    """`put` keeps a message; `run` sends what is due."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._due = asyncio.Event()

    async def hooks(self) -> list[Webhook]:
        """Those that can be used; others are logged."""
        found: list[Webhook] = []
        async for plugin in self._store.iterate(Plugin):
            try:
                hook = webhook_of(plugin)
            except BadParameter as problem:
                log.warning("a webhook cannot be used", plugin=plugin.name, error=problem)
                continue
            if hook is not None:
                found.append(hook)
        return found

    async def put(self, hook: Webhook, event: str, message: dict[str, object]) -> None:
        """`message` gets its id and becomes the body."""
        now, name = self._cluster.clock.now(), new_uuid()
        body = msgspec.json.encode({"version": 1, "id": name, "event": f"access_request.{event}", **message})
        await self._store.create(
            WebhookDelivery(
                metadata=Metadata(name=name, expires=now + KEPT),
                spec=WebhookDeliverySpec(
                    plugin=hook.name, event=event, body=body.decode(), created=now, next_attempt=now
                ),
            )
        )
        self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._due.clear()
            try:
                await self.send_due()
            except TeleportError as error:
                log.error("webhooks could not be sent", error=error)
            try:
                async with asyncio.timeout(_TICK):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def send_due(self) -> int:
        """What is due now, some at a time; how many were tried."""
        now = self._cluster.clock.now()
        due = [one async for one in self._store.iterate(WebhookDelivery) if one.spec.next_attempt <= now]
        if not due:
            return 0
        hooks = {hook.name: hook for hook in await self.hooks()}
        turns = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(self._deliver(one, hooks.get(one.spec.plugin), turns))
        return len(due)

    async def _deliver(self, one: WebhookDelivery, hook: Webhook | None, turns: asyncio.Semaphore) -> None:
        async with turns:
            if hook is None or hook.destination is None:
                await self._forget(one)
                return
            taken = await self._take(one)
            if taken is None:
                return  # another auth server sends it
            now = self._cluster.clock.now()
            try:
                await send(hook, one.name, int(now.timestamp()), one.spec.body.encode())
            except TeleportError as problem:
                await self._put_off(taken, problem)
                return
            await self._forget(taken)

    async def _take(self, one: WebhookDelivery) -> WebhookDelivery | None:
        until = self._cluster.clock.now() + _SENDING
        spec = msgspec.structs.replace(one.spec, attempts=one.spec.attempts + 1, next_attempt=until)
        try:
            return await self._store.update(msgspec.structs.replace(one, spec=spec))
        except (RevisionConflict, NotFound):
            return None

    async def _put_off(self, one: WebhookDelivery, problem: TeleportError) -> None:
        step = min(_FIRST * 2 ** min(one.spec.attempts - 1, 20), _LONGEST)
        wait = step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing
        at = self._cluster.clock.now() + wait
        log.warning(
            "a webhook did not take a message, it will be tried again",
            plugin=one.spec.plugin, delivery=one.name, attempts=one.spec.attempts, error=problem,
        )  # fmt: skip
        spec = msgspec.structs.replace(one.spec, next_attempt=at, last_error=problem.message[:1000])
        try:
            await self._store.update(msgspec.structs.replace(one, spec=spec))
        except (RevisionConflict, NotFound):
            return

    async def _forget(self, one: WebhookDelivery) -> None:
        try:
            await self._store.delete(WebhookDelivery, one.name)
        except NotFound:
            return
