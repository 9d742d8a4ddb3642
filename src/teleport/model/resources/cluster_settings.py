"""The small singletons: cluster name, audit backends, web page, maintenance, updates, VNet, network restrictions."""

from __future__ import annotations

import ipaddress
from typing import ClassVar, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.values import Duration, Flag, Instant, StringList

WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


class ClusterNameSpec(Model):
    cluster_name: str = ""
    cluster_id: str = ""


class ClusterName(Resource):
    """Fixed at the first start of auth."""

    KIND: ClassVar[str] = "cluster_name"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SINGLETON: ClassVar[str] = "cluster-name"

    spec: ClusterNameSpec = msgspec.field(default_factory=ClusterNameSpec)

    def check_spec(self) -> None:
        require(self.spec.cluster_name, "spec.cluster_name is missing")


class ClusterAuditConfigSpec(Model):
    """From the configuration file only."""

    type: str = ""
    region: str = ""
    audit_sessions_uri: str = ""
    audit_events_uri: StringList = []
    enable_continuous_backups: Flag = False
    enable_auto_scaling: Flag = False
    read_max_capacity: int = 0
    read_min_capacity: int = 0
    read_target_value: float = 0
    write_max_capacity: int = 0
    write_min_capacity: int = 0
    write_target_value: float = 0
    retention_period: Duration | None = None
    use_fips_endpoint: Flag = False


class ClusterAuditConfig(Resource):
    KIND: ClassVar[str] = "cluster_audit_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SINGLETON: ClassVar[str] = "cluster-audit-config"

    spec: ClusterAuditConfigSpec = msgspec.field(default_factory=ClusterAuditConfigSpec)


class UIConfigSpec(Model, omit_defaults=False):
    scrollback_lines: int = 1000
    show_resources: str = "requestable"


class UIConfig(Resource):
    KIND: ClassVar[str] = "ui_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "ui-config"
    PRINTS_DEFAULTS: ClassVar[bool] = True

    spec: UIConfigSpec = msgspec.field(default_factory=UIConfigSpec)

    def check_spec(self) -> None:
        require(self.spec.scrollback_lines >= 0, "spec.scrollback_lines is negative")
        self.spec.show_resources = self.spec.show_resources or "requestable"
        one_of(self.spec.show_resources, ("requestable", "accessible_only"), "spec.show_resources")


class AgentUpgradeWindow(Model):
    utc_start_hour: int = 0
    weekdays: StringList = []


class ClusterMaintenanceConfigSpec(Model):
    agent_upgrades: AgentUpgradeWindow | None = None


class ClusterMaintenanceConfig(Resource):
    """`nonce` is its own compare-and-swap token."""

    KIND: ClassVar[str] = "cluster_maintenance_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "cluster-maintenance-config"

    nonce: int = 0
    spec: ClusterMaintenanceConfigSpec = msgspec.field(default_factory=ClusterMaintenanceConfigSpec)

    def check_spec(self) -> None:
        window = self.spec.agent_upgrades
        if window is None:
            return
        hour = window.utc_start_hour
        require(0 <= hour <= 23, f"spec.agent_upgrades.utc_start_hour is {hour}, expected 0 to 23")
        days = {day.lower()[:3]: day for day in WEEKDAYS}
        for day in window.weekdays:
            require(
                day.lower()[:3] in days, f"spec.agent_upgrades.weekdays: {day!r} is not one of {', '.join(WEEKDAYS)}"
            )
        window.weekdays = [days[day.lower()[:3]] for day in window.weekdays]


class AutoUpdateTools(Model):
    mode: Literal["", "enabled", "disabled"] = ""


class AutoUpdateGroup(Model):
    name: str
    days: StringList = []
    start_hour: int = 0
    wait_hours: int = 0
    canary_count: int = 0


class AutoUpdateSchedules(Model):
    regular: list[AutoUpdateGroup] = []


class AutoUpdateAgents(Model):
    mode: Literal["", "enabled", "disabled", "suspended"] = ""
    strategy: Literal["", "halt-on-error", "time-based"] = ""
    maintenance_window_duration: Duration | None = None
    schedules: AutoUpdateSchedules | None = None


class AutoUpdateConfigSpec(Model):
    tools: AutoUpdateTools | None = None
    agents: AutoUpdateAgents | None = None


class AutoUpdateConfig(Resource):
    KIND: ClassVar[str] = "autoupdate_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "autoupdate-config"

    spec: AutoUpdateConfigSpec = msgspec.field(default_factory=AutoUpdateConfigSpec)


class ToolsVersion(Model):
    target_version: str = ""


class AgentsVersion(Model):
    start_version: str = ""
    target_version: str = ""
    schedule: Literal["", "regular", "immediate"] = ""
    mode: Literal["", "enabled", "disabled", "suspended"] = ""


class AutoUpdateVersionSpec(Model):
    tools: ToolsVersion | None = None
    agents: AgentsVersion | None = None


class AutoUpdateVersion(Resource):
    KIND: ClassVar[str] = "autoupdate_version"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "autoupdate-version"

    spec: AutoUpdateVersionSpec = msgspec.field(default_factory=AutoUpdateVersionSpec)


class AutoUpdateAgentRolloutSpec(Model):
    start_version: str = ""
    target_version: str = ""
    schedule: str = ""
    autoupdate_mode: str = ""
    strategy: str = ""
    maintenance_window_duration: Duration | None = None


class RolloutGroup(Model):
    name: str
    state: str = ""
    start_time: Instant | None = None
    last_update_time: Instant | None = None
    last_update_reason: str = ""
    config_days: StringList = []
    config_start_hour: int = 0
    config_wait_hours: int = 0


class AutoUpdateAgentRolloutStatus(Model):
    groups: list[RolloutGroup] = []
    state: str = ""
    start_time: Instant | None = None


class AutoUpdateAgentRollout(Resource):
    """Made by auth; read only."""

    KIND: ClassVar[str] = "autoupdate_agent_rollout"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "autoupdate-agent-rollout"

    spec: AutoUpdateAgentRolloutSpec = msgspec.field(default_factory=AutoUpdateAgentRolloutSpec)
    status: AutoUpdateAgentRolloutStatus | None = None


class DNSZone(Model):
    suffix: str


class VnetConfigSpec(Model, omit_defaults=False):
    ipv4_cidr_range: str = "100.64.0.0/10"
    custom_dns_zones: list[DNSZone] = []


class VnetConfig(Resource):
    KIND: ClassVar[str] = "vnet_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "vnet-config"
    PRINTS_DEFAULTS: ClassVar[bool] = True

    spec: VnetConfigSpec = msgspec.field(default_factory=VnetConfigSpec)

    def check_spec(self) -> None:
        self.spec.ipv4_cidr_range = self.spec.ipv4_cidr_range or "100.64.0.0/10"
        check_cidr(self.spec.ipv4_cidr_range, "spec.ipv4_cidr_range")
        for zone in self.spec.custom_dns_zones:
            require(zone.suffix, "spec.custom_dns_zones: suffix is missing")


class AddressCondition(Model):
    cidr: str


class NetworkRestrictionsSpec(Model):
    """Deny wins."""

    allow: list[AddressCondition] = []
    deny: list[AddressCondition] = []


class NetworkRestrictions(Resource):
    KIND: ClassVar[str] = "network_restrictions"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v4",)
    DEFAULT_VERSION: ClassVar[str] = "v4"
    SINGLETON: ClassVar[str] = "network-restrictions"

    spec: NetworkRestrictionsSpec = msgspec.field(default_factory=NetworkRestrictionsSpec)

    def check_spec(self) -> None:
        for side in ("allow", "deny"):
            for condition in getattr(self.spec, side):
                check_cidr(condition.cidr, f"spec.{side}")


class AccessGraphSettingsSpec(Model):
    secrets_scan_config: Literal["", "enabled", "disabled"] = ""


class AccessGraphSettings(Resource):
    KIND: ClassVar[str] = "access_graph_settings"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SINGLETON: ClassVar[str] = "access-graph-settings"

    spec: AccessGraphSettingsSpec = msgspec.field(default_factory=AccessGraphSettingsSpec)


def check_cidr(text: str, field: str) -> None:
    """A CIDR or a bare address. Raises BadParameter."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as problem:
        raise BadParameter(f"{field}: {text!r} is no address and no CIDR") from problem
