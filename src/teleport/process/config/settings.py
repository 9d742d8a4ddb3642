"""Settings: what the process will do, checked and complete. Everything below `process` is built from this value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from teleport.engines.host_offers import HostOffers
from teleport.net.address import Address

ROLES = ("auth", "proxy", "node")
AUTH_PORT = 3025


@dataclass(frozen=True)
class LogSettings:
    level: str = "INFO"
    form: Literal["text", "json"] = "text"
    output: str = "stderr"


@dataclass(frozen=True)
class StorageSettings:
    """The SQLite back end and the places of events and recordings."""

    path: Path
    synchronous: Literal["FULL", "NORMAL"]
    events: Path
    recordings: Path


@dataclass(frozen=True)
class AuthenticationSettings:
    """What the file says of cluster_auth_preference, as that resource's spec; None where the file is silent."""

    preference: dict[str, object] | None = None
    networking: dict[str, object] | None = None
    recording: dict[str, object] | None = None


@dataclass(frozen=True)
class AuthSettings:
    listen: Address
    public: tuple[Address, ...]
    cluster_name: str
    static_tokens: tuple[tuple[tuple[str, ...], str], ...]
    storage: StorageSettings
    singletons: AuthenticationSettings


@dataclass(frozen=True)
class ProxySettings:
    listen: Address
    tunnel_listen: Address | None
    public: tuple[Address, ...]
    keypairs: tuple[tuple[Path, Path], ...]
    keypairs_reload: timedelta
    proxy_protocol: Literal["on", "off", "unset"]
    trust_forwarded_for: bool
    scrollback_lines: int


@dataclass(frozen=True)
class CommandLabelSettings:
    name: str
    command: tuple[str, ...]
    period: timedelta


@dataclass(frozen=True)
class NodeSettings:
    """`listen` is None where the node is reached through its tunnel alone."""

    listen: Address | None
    public: tuple[Address, ...]
    labels: dict[str, str]
    commands: tuple[CommandLabelSettings, ...]
    permit_user_env: bool
    port_forwarding: bool
    file_copy: bool
    offers: HostOffers = field(default_factory=HostOffers)


@dataclass(frozen=True)
class JoinSettings:
    """How this process reaches a cluster it did not start.

    `server` is an auth server's address, a proxy's, or either (`is_auth` None: then port 3025 means auth).
    """

    server: Address | None = None
    is_auth: bool | None = None
    token: str = ""
    method: str = "token"
    ca_pins: tuple[str, ...] = ()

    @property
    def is_direct(self) -> bool:
        """At auth itself: nothing that joins there keeps a tunnel."""
        if self.is_auth is None:
            return self.server is not None and self.server.port == AUTH_PORT
        return self.is_auth


@dataclass(frozen=True)
class Settings:
    """`idle`: a line for each key of the file that is set and changes nothing."""

    nodename: str
    data_dir: Path
    join: JoinSettings
    auth: AuthSettings | None
    proxy: ProxySettings | None
    node: NodeSettings | None
    log: LogSettings = field(default_factory=LogSettings)
    pid_file: Path | None = None
    diagnostics: Address | None = None
    metrics: Address | None = None
    max_connections: int = 15000
    shutdown_delay: timedelta = timedelta()
    insecure: bool = False
    skip_version_check: bool = False
    idle: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        built = (("auth", self.auth), ("proxy", self.proxy), ("node", self.node))
        return tuple(name for name, settings in built if settings is not None)
