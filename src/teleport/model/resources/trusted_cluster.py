"""Trust between clusters: `trusted_cluster` in the leaf; `remote_cluster`, the leaf as the root sees it."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.cert_authority import RoleMapping
from teleport.model.sensitive import Secret
from teleport.model.values import Flag, Instant, StringList, utc


class TrustedClusterSpec(Model):
    """`token` is the join token of type trusted_cluster from the root; `tunnel_addr` defaults to `web_proxy_addr`."""

    enabled: Flag = False
    token: Secret[str] | None = None
    web_proxy_addr: str = ""
    tunnel_addr: str = ""
    roles: StringList = []
    role_map: list[RoleMapping] = []


class TrustedCluster(Resource):
    KIND: ClassVar[str] = "trusted_cluster"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: TrustedClusterSpec = msgspec.field(default_factory=TrustedClusterSpec)

    def check_spec(self) -> None:
        spec = self.spec
        require(spec.web_proxy_addr, "spec.web_proxy_addr is missing")
        require(not (spec.roles and spec.role_map), "spec.roles and spec.role_map exclude each other")
        require(spec.roles or spec.role_map, "spec.role_map is empty, nobody could do anything in this cluster")
        for number, row in enumerate(spec.role_map):
            require(row.remote, f"spec.role_map[{number}].remote is missing")
            require(row.local and all(row.local), f"spec.role_map[{number}].local needs at least one role")


class RemoteClusterSpec(Model):
    """Nothing to set."""


class RemoteClusterStatus(Model):
    connection: Literal["", "online", "offline"] = ""
    last_heartbeat: Instant | None = None


class RemoteCluster(Resource):
    KIND: ClassVar[str] = "remote_cluster"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: RemoteClusterSpec | None = None
    status: RemoteClusterStatus | None = None

    def check_spec(self) -> None:
        if self.status is not None:
            self.status.last_heartbeat = utc(self.status.last_heartbeat, "status.last_heartbeat")
