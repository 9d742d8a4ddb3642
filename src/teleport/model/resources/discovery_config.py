"""Discovery config: which cloud resources discovery agents enrol."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Duration, Flag, Instant, LabelSelector, StringList


class AssumeRole(Model):
    role_arn: str = ""
    external_id: str = ""


class InstallParams(Model):
    join_method: str = ""
    join_token: str = ""
    script_name: str = ""
    install_teleport: Flag | None = None
    sshd_config: str = ""
    public_proxy_addr: str = ""
    azure: dict[str, str] = {}
    enroll_mode: str | int = ""
    suffix: str = ""
    update_group: str = ""


class AWSMatcher(Model):
    types: StringList = []
    regions: StringList = []
    assume_role_arn: str = ""
    external_id: str = ""
    assume_role: AssumeRole | None = None
    tags: LabelSelector = {}
    install: InstallParams | None = None
    ssm: dict[str, str] = {}
    integration: str = ""
    kube_app_discovery: Flag = False
    setup_access_for_arn: str = ""


class AzureMatcher(Model):
    types: StringList = []
    regions: StringList = []
    subscriptions: StringList = []
    resource_groups: StringList = []
    tags: LabelSelector = {}
    install: InstallParams | None = None
    install_params: InstallParams | None = None
    integration: str = ""


class GCPMatcher(Model):
    types: StringList = []
    locations: StringList = []
    project_ids: StringList = []
    service_accounts: StringList = []
    tags: LabelSelector = {}
    labels: LabelSelector = {}
    install: InstallParams | None = None
    install_params: InstallParams | None = None


class KubeMatcher(Model):
    types: StringList = []
    namespaces: StringList = []
    labels: LabelSelector = {}


class AccessGraphAWS(Model):
    regions: StringList = []
    integration: str = ""
    assume_role: AssumeRole | None = None


class AccessGraphAzure(Model):
    subscription_id: str = ""
    integration: str = ""


class AccessGraphSync(Model):
    poll_interval: Duration | None = None
    aws: list[AccessGraphAWS] = []
    azure: list[AccessGraphAzure] = []


class DiscoveryConfigSpec(Model):
    discovery_group: str = ""
    aws: list[AWSMatcher] = []
    azure: list[AzureMatcher] = []
    gcp: list[GCPMatcher] = []
    kube: list[KubeMatcher] = []
    access_graph: AccessGraphSync | None = None


class DiscoveryConfigStatus(Model):
    state: str = ""
    error_message: str = ""
    discovered_resources: int = 0
    last_sync_time: Instant | None = None


class DiscoveryConfig(Resource):
    KIND: ClassVar[str] = "discovery_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: DiscoveryConfigSpec = msgspec.field(default_factory=DiscoveryConfigSpec)
    status: DiscoveryConfigStatus | None = None

    def check_spec(self) -> None:
        require(self.spec.discovery_group, "spec.discovery_group is missing")
        for field in ("aws", "azure", "gcp", "kube"):
            for number, matcher in enumerate(getattr(self.spec, field)):
                require(matcher.types, f"spec.{field}[{number}].types is empty")
