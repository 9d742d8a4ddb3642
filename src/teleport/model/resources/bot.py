"""Bot: a machine's account; its user and role are made from it. Bot instance: one place where it runs."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Duration, Flag, Instant, StringList


class BotTrait(Model):
    name: str
    values: StringList = []


class BotSpec(Model):
    roles: StringList = []
    traits: list[BotTrait] = []
    max_session_ttl: Duration | None = None


class BotStatus(Model):
    user_name: str = ""
    role_name: str = ""


class Bot(Resource):
    KIND: ClassVar[str] = "bot"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: BotSpec = msgspec.field(default_factory=BotSpec)
    status: BotStatus | None = None

    @property
    def user_name(self) -> str:
        """The user and the role made for it have this name."""
        return f"bot-{self.metadata.name.replace(' ', '-')}"

    def check_spec(self) -> None:
        for role in self.spec.roles:
            require(role, "spec.roles has an empty name")
        names = [trait.name for trait in self.spec.traits]
        require(all(names), "spec.traits: name is missing")
        require(len(set(names)) == len(names), "spec.traits: a name is used twice")
        ttl = self.spec.max_session_ttl
        in_bounds = ttl is None or Duration() < ttl <= Duration(hours=168)
        require(in_bounds, f"spec.max_session_ttl is {ttl}, expected more than 0 and at most 168h")


class BotAuthentication(Model):
    authenticated_at: Instant | None = None
    join_method: str = ""
    join_token: str = ""
    generation: int = 0
    public_key: str = ""


class BotHeartbeat(Model):
    recorded_at: Instant | None = None
    is_startup: Flag = False
    version: str = ""
    hostname: str = ""
    uptime: Duration | None = None
    join_method: str = ""
    one_shot: Flag = False
    architecture: str = ""
    os: str = ""


class BotInstanceSpec(Model):
    bot_name: str = ""
    instance_id: str = ""
    previous_instance_id: str = ""


class BotInstanceStatus(Model):
    initial_authentication: BotAuthentication | None = None
    latest_authentications: list[BotAuthentication] = []
    initial_heartbeat: BotHeartbeat | None = None
    latest_heartbeats: list[BotHeartbeat] = []


class BotInstance(Resource):
    """Named by its instance id; its key is `<bot>/<instance id>`."""

    KIND: ClassVar[str] = "bot_instance"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: BotInstanceSpec = msgspec.field(default_factory=BotInstanceSpec)
    status: BotInstanceStatus | None = None

    @property
    def key(self) -> str:
        return f"{self.spec.bot_name}/{self.spec.instance_id}"

    def check_spec(self) -> None:
        require(self.spec.bot_name and self.spec.instance_id, "spec.bot_name and spec.instance_id are needed")
