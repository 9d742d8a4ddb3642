"""Heartbeats of auth and proxy servers, of any instance, and the old tunnel kinds."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource
from teleport.model.resources.node import NodeSpec
from teleport.model.values import Instant, StringList, utc


class AuthServer(Resource):
    """Its name is the server's UUID."""

    KIND: ClassVar[str] = "auth_server"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)

    def check_spec(self) -> None:
        if self.spec.rotation is not None:
            self.spec.rotation.check()


class ProxyServer(Resource):
    """Its name is the server's UUID."""

    KIND: ClassVar[str] = "proxy"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)

    def check_spec(self) -> None:
        if self.spec.rotation is not None:
            self.spec.rotation.check()


class InstanceSpec(Model):
    """What one program on one host says of itself, whatever services it runs."""

    version: str = ""
    services: StringList = []
    hostname: str = ""
    auth_id: str = ""
    last_seen: Instant | None = None
    external_upgrader: str = ""
    external_upgrader_version: str = ""


class Instance(Resource):
    KIND: ClassVar[str] = "instance"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: InstanceSpec = msgspec.field(default_factory=InstanceSpec)

    def check_spec(self) -> None:
        self.spec.last_seen = utc(self.spec.last_seen, "spec.last_seen")


class ReverseTunnelSpec(Model):
    cluster_name: str = ""
    dial_addrs: StringList = []
    type: str = ""


class ReverseTunnel(Resource):
    """Of the past."""

    KIND: ClassVar[str] = "tunnel"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: ReverseTunnelSpec = msgspec.field(default_factory=ReverseTunnelSpec)


class TunnelConnectionSpec(Model):
    cluster_name: str = ""
    proxy_name: str = ""
    last_heartbeat: Instant | None = None
    type: str = ""


class TunnelConnection(Resource):
    KIND: ClassVar[str] = "tunnel_connection"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: TunnelConnectionSpec = msgspec.field(default_factory=TunnelConnectionSpec)

    def check_spec(self) -> None:
        self.spec.last_heartbeat = utc(self.spec.last_heartbeat, "spec.last_heartbeat")
