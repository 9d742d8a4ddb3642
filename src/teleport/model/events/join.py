"""Events of joining: tokens, agents, bots."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from teleport.model.events.base import ResourceEvent, UserEvent


class JoinTokenCreated(ResourceEvent):
    """`name` is masked."""

    type: ClassVar[str] = "join_token.create"
    code: ClassVar[str] = "TJT00I"

    roles: list[str] = []
    join_method: str = ""


class TrustedClusterTokenCreated(ResourceEvent):
    """Of the past."""

    type: ClassVar[str] = "trusted_cluster_token.create"
    code: ClassVar[str] = "T7002I"


class InstanceJoined(UserEvent):
    """An agent got its identity. `token_name` is masked."""

    type: ClassVar[str] = "instance.join"
    code: ClassVar[str] = "TJ002I"

    node_name: str = ""
    host_id: str = ""
    role: str = ""
    method: str = ""
    token_name: str = ""
    token_expires: datetime | None = None
    attributes: dict[str, Any] = {}


class InstanceJoinRefused(InstanceJoined):
    code = "TJ002E"


class BotJoined(UserEvent):
    type: ClassVar[str] = "bot.join"
    code: ClassVar[str] = "TJ001I"

    method: str = ""
    token_name: str = ""
    attributes: dict[str, Any] = {}
    user_name: str = ""


class BotJoinRefused(BotJoined):
    code = "TJ001E"


class BoundKeypairRecovered(UserEvent):
    type: ClassVar[str] = "join_token.bound_keypair.recovery"
    code: ClassVar[str] = "TBK001I"

    token_name: str = ""
    public_key: str = ""
    recovery_count: int = 0
    recovery_mode: str = ""


class BoundKeypairRotated(UserEvent):
    type: ClassVar[str] = "join_token.bound_keypair.rotation"
    code: ClassVar[str] = "TBK002I"

    token_name: str = ""
    previous_public_key: str = ""
    new_public_key: str = ""


class BoundKeypairStateRefused(UserEvent):
    type: ClassVar[str] = "join_token.bound_keypair.join_state_verification_failed"
    code: ClassVar[str] = "TBK003W"

    token_name: str = ""
