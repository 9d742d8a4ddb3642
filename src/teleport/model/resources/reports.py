"""Things that watch the cluster: saved audit queries, security reports, crown jewels, health checks, user tasks."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.static_host_user import NodeLabel
from teleport.model.values import Duration, Instant, StringList


class AuditQuerySpec(Model):
    name: str = ""
    title: str = ""
    description: str = ""
    query: str = ""


class AuditQuery(Resource):
    KIND: ClassVar[str] = "audit_query"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: AuditQuerySpec = msgspec.field(default_factory=AuditQuerySpec)

    def check_spec(self) -> None:
        require(self.spec.query, "spec.query is missing")


class SecurityReportSpec(Model):
    name: str = ""
    title: str = ""
    description: str = ""
    version: str = ""
    audit_queries: list[AuditQuerySpec] = []


class SecurityReport(Resource):
    KIND: ClassVar[str] = "security_report"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: SecurityReportSpec = msgspec.field(default_factory=SecurityReportSpec)


class TeleportMatcher(Model):
    kinds: StringList = []
    names: StringList = []
    labels: list[NodeLabel] = []


class CloudMatcher(Model):
    types: StringList = []
    regions: StringList = []
    arns: StringList = []
    subscriptions: StringList = []
    tags: list[NodeLabel] = []


class CrownJewelSpec(Model):
    teleport_matchers: list[TeleportMatcher] = []
    aws_matchers: list[CloudMatcher] = []
    azure_matchers: list[CloudMatcher] = []
    query: str = ""


class CrownJewel(Resource):
    KIND: ClassVar[str] = "crown_jewel"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: CrownJewelSpec = msgspec.field(default_factory=CrownJewelSpec)


class HealthCheckMatch(Model):
    db_labels: list[NodeLabel] = []
    db_labels_expression: str = ""
    kubernetes_labels: list[NodeLabel] = []
    kubernetes_labels_expression: str = ""
    disabled: bool = False


class HealthCheckConfigSpec(Model):
    match: HealthCheckMatch | None = None
    timeout: Duration | None = None
    interval: Duration | None = None
    healthy_threshold: int = 0
    unhealthy_threshold: int = 0


class HealthCheckConfig(Resource):
    KIND: ClassVar[str] = "health_check_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: HealthCheckConfigSpec = msgspec.field(default_factory=HealthCheckConfigSpec)


class UserTaskSpec(Model):
    """A problem that a person must solve, by integration and issue."""

    integration: str = ""
    task_type: str = ""
    issue_type: str = ""
    state: str = ""
    details: dict[str, str] = {}


class UserTaskStatus(Model):
    last_state_change: Instant | None = None


class UserTask(Resource):
    KIND: ClassVar[str] = "user_task"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: UserTaskSpec = msgspec.field(default_factory=UserTaskSpec)
    status: UserTaskStatus | None = None
