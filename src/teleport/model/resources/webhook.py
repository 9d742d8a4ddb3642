"""What the auth service keeps of webhooks: messages that wait to be sent, and ids of those received."""

from __future__ import annotations

from typing import ClassVar

from teleport.model.resource import Model, Resource
from teleport.model.values import Instant


class WebhookDeliverySpec(Model, kw_only=True):
    """`body` is JSON text as it is sent; `next_attempt` also keeps others off while one sends."""

    plugin: str
    event: str
    body: str
    created: Instant
    next_attempt: Instant
    attempts: int = 0
    last_error: str = ""


class WebhookDelivery(Resource):
    KIND: ClassVar[str] = "webhook_delivery"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: WebhookDeliverySpec


class WebhookReceipt(Resource):
    """A message of that name was received: it is not taken twice."""

    KIND: ClassVar[str] = "webhook_receipt"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
