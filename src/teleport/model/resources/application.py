"""Application (web, TCP, MCP), and the heartbeat of an agent that serves it."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, require
from teleport.model.resources.heartbeat import CommandLabel, Heartbeat, check_command_labels, merged
from teleport.model.values import Flag, StringList

SCHEMES = ("http://", "https://", "tcp://", "mcp+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", re.IGNORECASE)


class Header(Model):
    """`value` may be a template."""

    name: str
    value: str = ""


class Rewrite(Model):
    redirect: StringList = []
    headers: list[Header] = []
    jwt_claims: Literal["", "roles-and-traits", "roles", "traits", "none"] = ""


class ApplicationAWS(Model):
    external_id: str = ""


class CORSPolicy(Model):
    allowed_origins: StringList = []
    allowed_methods: StringList = []
    allowed_headers: StringList = []
    exposed_headers: StringList = []
    allow_credentials: Flag = False
    max_age: int = 0


class PortRange(Model):
    """`end_port` 0: one port alone."""

    port: int
    end_port: int = 0


class IdentityCenter(Model):
    account_id: str = ""
    permission_sets: list[dict[str, str]] = []


class MCPServerOptions(Model):
    command: str = ""
    args: StringList = []
    run_as_host_user: str = ""


class ApplicationSpec(Model):
    uri: str = ""
    public_addr: str = ""
    dynamic_labels: dict[str, CommandLabel] = {}
    insecure_skip_verify: Flag = False
    rewrite: Rewrite | None = None
    aws: ApplicationAWS | None = None
    cloud: Literal["", "AWS", "Azure", "GCP"] = ""
    user_groups: StringList = []
    integration: str = ""
    required_app_names: StringList = []
    cors: CORSPolicy | None = None
    tcp_ports: list[PortRange] = []
    use_any_proxy_public_addr: Flag = False
    identity_center: IdentityCenter | None = None
    mcp: MCPServerOptions | None = None


class Application(Resource):
    """Its name becomes a subdomain."""

    KIND: ClassVar[str] = "app"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", "mcp", "identity_center")

    spec: ApplicationSpec = msgspec.field(default_factory=ApplicationSpec)

    @property
    def labels(self) -> dict[str, str]:
        """Static and dynamic labels together."""
        return merged(self.metadata.labels, self.spec.dynamic_labels)

    def check_spec(self) -> None:
        spec = self.spec
        name_is_fine = len(self.metadata.name) <= 63 and _NAME.match(self.metadata.name)
        require(name_is_fine, "metadata.name must be a DNS label: letters, digits and -, it becomes a subdomain")
        if not spec.cloud and spec.mcp is None:
            require(spec.uri, "spec.uri is missing")
            known = "://" not in spec.uri or spec.uri.startswith(SCHEMES) or spec.uri.startswith("cloud://")
            require(known, f"spec.uri is {spec.uri[:200]!r}, expected http, https, tcp or mcp+...")
        require("/" not in spec.public_addr, "spec.public_addr must be a host name without scheme and path")
        require(not spec.tcp_ports or spec.uri.startswith("tcp://"), "spec.tcp_ports needs a tcp:// uri")
        for ports in spec.tcp_ports:
            _check_ports(ports)
        check_command_labels(spec.dynamic_labels, "spec.dynamic_labels")


def _check_ports(ports: PortRange) -> None:
    if not 0 < ports.port < 65536 or (ports.end_port and not ports.port < ports.end_port < 65536):
        raise BadParameter(f"spec.tcp_ports: {ports.port} to {ports.end_port} is no range of ports")


class ApplicationServerSpec(Heartbeat, kw_only=True):
    app: Application


class ApplicationServer(Resource):
    """Its key is `<host id>/<name>`."""

    KIND: ClassVar[str] = "app_server"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: ApplicationServerSpec

    @property
    def key(self) -> str:
        return f"{self.spec.host_id}/{self.metadata.name}"

    @property
    def labels(self) -> dict[str, str]:
        """Those of the application."""
        return self.spec.app.labels

    def check_spec(self) -> None:
        self.spec.check()
        self.spec.app.check()
