"""Cluster networking config: time limits and routing, cluster wide."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, require
from teleport.model.values import Duration, Flag, choice, meta

DEFAULT_WEB_IDLE_TIMEOUT = Duration(minutes=10)

ListenerMode = Annotated[
    Literal["separate", "multiplex"],
    meta(
        choice(
            "proxy_listener_mode", {0: "separate", 1: "multiplex"}, {"separate": "separate", "multiplex": "multiplex"}
        )
    ),
]
RoutingStrategy = Annotated[
    Literal["unambiguous_match", "most_recent"],
    meta(
        choice(
            "routing_strategy",
            {0: "unambiguous_match", 1: "most_recent"},
            {"unambiguous_match": "unambiguous_match", "most_recent": "most_recent"},
        )
    ),
]


class AgentMesh(Model):
    """Every agent connects to every proxy."""


class ProxyPeering(Model):
    """Agents connect to `agent_connection_count` proxies, which pass connections on."""

    agent_connection_count: int = 1


class TunnelStrategy(Model):
    """One of the two; neither means agent_mesh."""

    agent_mesh: AgentMesh | None = None
    proxy_peering: ProxyPeering | None = None


class ClusterNetworkingConfigSpec(Model, omit_defaults=False):
    client_idle_timeout: Duration = Duration()
    idle_timeout_message: str = ""
    web_idle_timeout: Duration | None = None
    keep_alive_interval: Duration = Duration(minutes=5)
    keep_alive_count_max: int = 3
    session_control_timeout: Duration = Duration(minutes=2)
    proxy_listener_mode: ListenerMode = "separate"
    routing_strategy: RoutingStrategy = "unambiguous_match"
    tunnel_strategy: TunnelStrategy | None = None
    proxy_ping_interval: Duration = Duration(seconds=30)
    assist_command_execution_workers: int = 0
    case_insensitive_routing: Flag = False
    ssh_dial_timeout: Duration = Duration(seconds=30)

    @property
    def web_idle(self) -> Duration:
        """`web_idle_timeout`, or 10 minutes where it is unset."""
        return self.web_idle_timeout or DEFAULT_WEB_IDLE_TIMEOUT


_DEFAULTS: dict[str, Duration] = {
    "keep_alive_interval": Duration(minutes=5),
    "session_control_timeout": Duration(minutes=2),
    "proxy_ping_interval": Duration(seconds=30),
    "ssh_dial_timeout": Duration(seconds=30),
}


class ClusterNetworkingConfig(Resource):
    KIND: ClassVar[str] = "cluster_networking_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SINGLETON: ClassVar[str] = "cluster-networking-config"
    PRINTS_DEFAULTS: ClassVar[bool] = True

    spec: ClusterNetworkingConfigSpec = msgspec.field(default_factory=ClusterNetworkingConfigSpec)

    def check_spec(self) -> None:
        spec = self.spec
        for field, default in _DEFAULTS.items():
            value: Duration = getattr(spec, field)
            require(value >= Duration(), f"spec.{field} is negative")
            if not value:
                setattr(spec, field, default)
        require(spec.client_idle_timeout >= Duration(), "spec.client_idle_timeout is negative")
        if spec.web_idle_timeout is not None and not spec.web_idle_timeout:
            spec.web_idle_timeout = None
        if spec.web_idle_timeout is not None and spec.web_idle_timeout < Duration(minutes=1):
            raise BadParameter(f"spec.web_idle_timeout is {spec.web_idle_timeout}, expected at least 1m")
        require(spec.keep_alive_count_max >= 0, "spec.keep_alive_count_max is negative")
        spec.keep_alive_count_max = spec.keep_alive_count_max or 3
        strategy = spec.tunnel_strategy
        if strategy is not None:
            both = strategy.agent_mesh is not None and strategy.proxy_peering is not None
            require(not both, "spec.tunnel_strategy: agent_mesh and proxy_peering exclude each other")
            if strategy.proxy_peering is not None:
                count = strategy.proxy_peering.agent_connection_count
                require(count >= 1, "spec.tunnel_strategy.proxy_peering.agent_connection_count must be at least 1")
