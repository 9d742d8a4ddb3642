"""Integration: credentials of this cluster at a cloud or service. Plugin: a service that gets told of requests."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.sensitive import Secret
from teleport.model.values import Instant, utc


class AWSOIDC(Model):
    role_arn: str = ""
    issuer_s3_uri: str = ""
    audience: str = ""


class AzureOIDC(Model):
    tenant_id: str = ""
    client_id: str = ""


class GitHubIntegration(Model):
    organization: str = ""


class RolesAnywhereProfileSync(Model):
    enabled: bool = False
    profile_arn: str = ""
    profile_accepts_role_session_name: bool = False
    role_arn: str = ""
    profile_name_filters: list[str] = []


class RolesAnywhere(Model):
    trust_anchor_arn: str = ""
    profile_sync_config: RolesAnywhereProfileSync | None = None


class IntegrationSpec(Model):
    """The block of the sub_kind."""

    aws_oidc: AWSOIDC | None = None
    azure_oidc: AzureOIDC | None = None
    github: GitHubIntegration | None = None
    aws_ra: RolesAnywhere | None = None


_BLOCKS = {"aws-oidc": "aws_oidc", "azure-oidc": "azure_oidc", "github": "github", "aws-ra": "aws_ra"}


class Integration(Resource):
    KIND: ClassVar[str] = "integration"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SUB_KINDS: ClassVar[tuple[str, ...]] = tuple(_BLOCKS)

    spec: IntegrationSpec = msgspec.field(default_factory=IntegrationSpec)

    def check_spec(self) -> None:
        for sub_kind, field in _BLOCKS.items():
            block = getattr(self.spec, field)
            if sub_kind == self.sub_kind:
                require(block is not None, f"spec.{field} is missing, sub_kind {sub_kind} needs it")
            else:
                require(block is None, f"spec.{field} is set, but sub_kind is {self.sub_kind}")
        if self.spec.aws_oidc is not None:
            require(self.spec.aws_oidc.role_arn, "spec.aws_oidc.role_arn is missing")
        if self.spec.github is not None:
            require(self.spec.github.organization, "spec.github.organization is missing")


class PluginSpec(Model):
    """`settings` differ by `type` (slack, jira, okta ...)."""

    type: str = ""
    settings: dict[str, str] = {}
    credentials: Secret[str] | None = None
    generation: str = ""


class PluginStatus(Model):
    code: str = ""
    last_run: Instant | None = None
    error_message: str = ""


class Plugin(Resource):
    KIND: ClassVar[str] = "plugin"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", "access")

    spec: PluginSpec = msgspec.field(default_factory=PluginSpec)
    status: PluginStatus | None = None

    def check_spec(self) -> None:
        if self.status is not None:
            self.status.last_run = utc(self.status.last_run, "status.last_run")
