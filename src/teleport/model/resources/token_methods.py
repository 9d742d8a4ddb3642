"""The spec of a token, and the blocks of its join methods: which proof from elsewhere lets a host or bot in."""

from __future__ import annotations

from typing import Literal

from teleport.model.resource import Model
from teleport.model.sensitive import Secret
from teleport.model.values import CommaList, Duration, Flag, LabelSelector, StringList

SECRET_METHODS = ("token", "ec2")
JOIN_METHODS = (
    "token", "ec2", "iam", "azure", "gcp", "github", "gitlab", "circleci", "kubernetes", "tpm", "spacelift",
    "terraform_cloud", "bitbucket", "oracle", "azure_devops", "bound_keypair", "env0",
)  # fmt: skip


class AWSRule(Model):
    """For `iam` and `ec2`. `aws_arn` may hold `*` and `?`."""

    aws_account: str = ""
    aws_regions: StringList = []
    aws_role: str = ""
    aws_arn: str = ""
    aws_organization_id: str = ""


class AzureRule(Model):
    subscription: str = ""
    tenant: str = ""
    resource_groups: StringList = []


class AzureBlock(Model):
    allow: list[AzureRule] = []


class GCPRule(Model):
    project_ids: StringList = []
    locations: StringList = []
    service_accounts: StringList = []


class GCPBlock(Model):
    allow: list[GCPRule] = []


class GitHubRule(Model):
    sub: str = ""
    repository: str = ""
    repository_owner: str = ""
    workflow: str = ""
    environment: str = ""
    actor: str = ""
    ref: str = ""
    ref_type: str = ""


class GitHubBlock(Model):
    enterprise_server_host: str = ""
    enterprise_slug: str = ""
    static_jwks: str = ""
    allow: list[GitHubRule] = []


class GitLabRule(Model):
    """Globs are allowed in sub, ref, project_path and namespace_path."""

    sub: str = ""
    project_path: str = ""
    namespace_path: str = ""
    ci_config_ref_uri: str = ""
    ci_config_sha: str = ""
    pipeline_source: str = ""
    environment: str = ""
    environment_protected: Flag | None = None
    ref: str = ""
    ref_type: str = ""
    ref_protected: Flag | None = None
    deployment_tier: str = ""
    project_visibility: str = ""
    user_id: str = ""
    user_login: str = ""
    user_email: str = ""


class GitLabBlock(Model):
    domain: str = ""
    static_jwks: str = ""
    allow: list[GitLabRule] = []


class CircleCIRule(Model):
    project_id: str = ""
    context_id: str = ""


class CircleCIBlock(Model):
    organization_id: str = ""
    allow: list[CircleCIRule] = []


class KubernetesRule(Model):
    """`service_account` is `namespace:name`."""

    service_account: str = ""


class StaticJWKS(Model):
    jwks: str = ""


class KubernetesOIDC(Model):
    issuer: str = ""
    insecure_allow_http_issuer: Flag = False


class KubernetesBlock(Model):
    type: Literal["", "in_cluster", "static_jwks", "oidc"] = ""
    static_jwks: StaticJWKS | None = None
    oidc: KubernetesOIDC | None = None
    allow: list[KubernetesRule] = []


class SpaceliftRule(Model):
    space_id: str = ""
    caller_id: str = ""
    caller_type: str = ""
    scope: str = ""


class SpaceliftBlock(Model):
    hostname: str = ""
    enable_glob_matching: Flag = False
    allow: list[SpaceliftRule] = []


class TerraformCloudRule(Model):
    organization_id: str = ""
    organization_name: str = ""
    project_id: str = ""
    project_name: str = ""
    workspace_id: str = ""
    workspace_name: str = ""
    run_phase: str = ""


class TerraformCloudBlock(Model):
    audience: str = ""
    hostname: str = ""
    allow: list[TerraformCloudRule] = []


class TPMRule(Model):
    description: str = ""
    ek_public_hash: str = ""
    ek_certificate_serial: str = ""


class TPMBlock(Model):
    ekcert_allowed_cas: StringList = []
    allow: list[TPMRule] = []


class BitbucketRule(Model):
    workspace_uuid: str = ""
    repository_uuid: str = ""
    deployment_environment_uuid: str = ""
    branch_name: str = ""


class BitbucketBlock(Model):
    audience: str = ""
    identity_provider_url: str = ""
    allow: list[BitbucketRule] = []


class OracleRule(Model):
    tenancy: str = ""
    parent_compartments: StringList = []
    regions: StringList = []
    instances: StringList = []


class OracleBlock(Model):
    allow: list[OracleRule] = []


class AzureDevOpsRule(Model):
    sub: str = ""
    project_name: str = ""
    pipeline_name: str = ""
    project_id: str = ""
    definition_id: str = ""
    repository_uri: str = ""
    repository_version: str = ""
    repository_ref: str = ""


class AzureDevOpsBlock(Model):
    organization_id: str = ""
    allow: list[AzureDevOpsRule] = []


class Env0Rule(Model):
    organization_id: str = ""
    project_id: str = ""
    project_name: str = ""
    template_id: str = ""
    template_name: str = ""
    environment_id: str = ""
    environment_name: str = ""
    workspace_name: str = ""
    deployment_type: str = ""
    deployer_email: str = ""
    env0_tag: str = ""


class Env0Block(Model):
    allow: list[Env0Rule] = []


class BoundKeypairOnboarding(Model):
    registration_secret: Secret[str] | None = None
    initial_public_key: str = ""


class BoundKeypairRecovery(Model):
    limit: int = 0
    mode: Literal["", "standard", "relaxed", "insecure"] = ""


class BoundKeypairBlock(Model):
    onboarding: BoundKeypairOnboarding | None = None
    recovery: BoundKeypairRecovery | None = None
    rotate_after: str = ""


AWS_IID_TTL = Duration(minutes=5)


class TokenSpec(Model):
    """`uses` (ours): how often the token may be used; 0 is any number of times."""

    roles: CommaList = []
    join_method: str = ""
    bot_name: str = ""
    suggested_labels: LabelSelector = {}
    suggested_agent_matcher_labels: LabelSelector = {}
    allow: list[AWSRule] = []
    aws_iid_ttl: Duration | None = None
    uses: int = 0
    integration: str = ""
    azure: AzureBlock | None = None
    gcp: GCPBlock | None = None
    github: GitHubBlock | None = None
    gitlab: GitLabBlock | None = None
    circleci: CircleCIBlock | None = None
    kubernetes: KubernetesBlock | None = None
    spacelift: SpaceliftBlock | None = None
    terraform_cloud: TerraformCloudBlock | None = None
    tpm: TPMBlock | None = None
    bitbucket: BitbucketBlock | None = None
    oracle: OracleBlock | None = None
    azure_devops: AzureDevOpsBlock | None = None
    env0: Env0Block | None = None
    bound_keypair: BoundKeypairBlock | None = None
