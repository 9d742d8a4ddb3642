"""Provision token: how a host, a bot or a leaf cluster may join. For `token` and `ec2` its name is the secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.resources import token_methods as methods
from teleport.model.sensitive import mask_name
from teleport.model.values import CommaList, Duration, LabelSelector

SECRET_METHODS = ("token", "ec2")
JOIN_METHODS = (
    "token", "ec2", "iam", "azure", "gcp", "github", "gitlab", "circleci", "kubernetes", "tpm", "spacelift",
    "terraform_cloud", "bitbucket", "oracle", "azure_devops", "bound_keypair", "env0",
)  # fmt: skip
TOKEN_ROLES = (
    "Node", "Proxy", "Auth", "Kube", "App", "Db", "WindowsDesktop", "Discovery", "Bot", "Trusted_cluster", "Okta",
    "MDM", "Instance", "Signup",
)  # fmt: skip
_ROLE_SPELLINGS = {role.lower(): role for role in TOKEN_ROLES} | {
    "windows_desktop": "WindowsDesktop",
    "trustedcluster": "Trusted_cluster",
    "trusted-cluster": "Trusted_cluster",
    "kubernetes": "Kube",
    "database": "Db",
    "db": "Db",
}


def system_role(text: str) -> str:
    """The canonical spelling of a token's role. Raises BadParameter."""
    found = _ROLE_SPELLINGS.get(text.strip().lower())
    if found is None:
        raise BadParameter(f"role {text!r} is not a system role, expected one of {', '.join(TOKEN_ROLES)}")
    return found


class TokenSpec(Model):
    """`uses` (ours): how often the token may be used; 0 is any number of times."""

    roles: CommaList = []
    join_method: str = ""
    bot_name: str = ""
    suggested_labels: LabelSelector = {}
    suggested_agent_matcher_labels: LabelSelector = {}
    allow: list[methods.AWSRule] = []
    aws_iid_ttl: Duration | None = None
    uses: int = 0
    integration: str = ""
    azure: methods.AzureBlock | None = None
    gcp: methods.GCPBlock | None = None
    github: methods.GitHubBlock | None = None
    gitlab: methods.GitLabBlock | None = None
    circleci: methods.CircleCIBlock | None = None
    kubernetes: methods.KubernetesBlock | None = None
    spacelift: methods.SpaceliftBlock | None = None
    terraform_cloud: methods.TerraformCloudBlock | None = None
    tpm: methods.TPMBlock | None = None
    bitbucket: methods.BitbucketBlock | None = None
    oracle: methods.OracleBlock | None = None
    azure_devops: methods.AzureDevOpsBlock | None = None
    env0: methods.Env0Block | None = None
    bound_keypair: methods.BoundKeypairBlock | None = None


class TokenStatus(Model):
    """How often it was used already."""

    used: int = 0


class Token(Resource):
    KIND: ClassVar[str] = "token"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2", "v1")
    DEFAULT_VERSION: ClassVar[str] = "v2"
    NAME_GENERATED: ClassVar[bool] = True
    NAME_IS_SECRET: ClassVar[bool] = True

    spec: TokenSpec = msgspec.field(default_factory=TokenSpec)
    status: TokenStatus | None = None

    @property
    def is_secret(self) -> bool:
        """Whether knowing the name is enough to join."""
        return self.spec.join_method in ("", *SECRET_METHODS)

    @property
    def display_name(self) -> str:
        """The name for lists, logs and events."""
        return mask_name(self.metadata.name) if self.is_secret else self.metadata.name

    @property
    def uses_left(self) -> int | None:
        """None means any number."""
        if not self.spec.uses:
            return None
        return max(0, self.spec.uses - (self.status.used if self.status else 0))

    def is_expired(self, now: datetime) -> bool:
        return self.metadata.expires is not None and self.metadata.expires <= now

    def check_spec(self) -> None:
        spec = self.spec
        spec.join_method = spec.join_method or "token"
        one_of(spec.join_method, JOIN_METHODS, "spec.join_method")
        require(spec.roles, "spec.roles is empty, a token must name at least one system role")
        spec.roles = list(dict.fromkeys(system_role(role) for role in spec.roles))
        self._check_bot()
        require(spec.uses >= 0, f"spec.uses is {spec.uses}, expected 0 (any number) or more")
        _check_blocks(spec)
        _CHECKS.get(spec.join_method, _nothing)(spec)

    def _check_bot(self) -> None:
        if "Bot" in self.spec.roles:
            require(len(self.spec.roles) == 1, "spec.roles: Bot must be the only role of a token")
            require(self.spec.bot_name, "spec.bot_name is missing, role Bot needs it")
        else:
            require(not self.spec.bot_name, "spec.bot_name is set, but only role Bot may have it")


_BLOCKS = tuple(method for method in JOIN_METHODS if method not in ("token", "ec2", "iam"))


def _nothing(_spec: TokenSpec) -> None:
    """A method without rules of its own."""


def _check_blocks(spec: TokenSpec) -> None:
    """The block of the method must be there, no other may be."""
    for method in _BLOCKS:
        block = getattr(spec, method)
        if method == spec.join_method:
            require(block is not None, f"spec.{method} is missing, join_method {method} needs it")
        else:
            require(block is None, f"spec.{method} is set, but join_method is {spec.join_method}")
    if spec.join_method not in ("iam", "ec2"):
        require(not spec.allow, f"spec.allow is only for join methods iam and ec2, not {spec.join_method}")
        require(spec.aws_iid_ttl is None, "spec.aws_iid_ttl is only for join method ec2")


def _rules(method: str, rules: list[msgspec.Struct]) -> None:
    """At least one rule, none of them empty."""
    where = "spec.allow" if method in ("iam", "ec2") else f"spec.{method}.allow"
    require(rules, f"{where} is empty, join_method {method} needs at least one rule")
    for number, rule in enumerate(rules):
        fields = [field for field in rule.__struct_fields__ if getattr(rule, field) not in ("", [], None)]
        require(fields, f"{where}[{number}] has no field set, it would let everybody in")


def _each_has(method: str, rules: list[msgspec.Struct], *fields: str) -> None:
    where = "spec.allow" if method in ("iam", "ec2") else f"spec.{method}.allow"
    for number, rule in enumerate(rules):
        require(any(getattr(rule, field) for field in fields), f"{where}[{number}]: {' or '.join(fields)} is needed")


def _iam(spec: TokenSpec) -> None:
    _rules("iam", list(spec.allow))
    _each_has("iam", list(spec.allow), "aws_account", "aws_organization_id")
    for number, rule in enumerate(spec.allow):
        for field in ("aws_regions", "aws_role"):
            require(not getattr(rule, field), f"spec.allow[{number}].{field} is only for join method ec2")


def _ec2(spec: TokenSpec) -> None:
    _rules("ec2", list(spec.allow))
    _each_has("ec2", list(spec.allow), "aws_account", "aws_role")
    for number, rule in enumerate(spec.allow):
        for field in ("aws_arn", "aws_organization_id"):
            require(not getattr(rule, field), f"spec.allow[{number}].{field} is only for join method iam")
    spec.aws_iid_ttl = spec.aws_iid_ttl or methods.AWS_IID_TTL


def _block_rules(method: str) -> Callable[[TokenSpec], list[msgspec.Struct]]:
    def read(spec: TokenSpec) -> list[msgspec.Struct]:
        rules: list[msgspec.Struct] = list(getattr(spec, method).allow)
        _rules(method, rules)
        return rules

    return read


def _needing(method: str, *fields: str) -> Callable[[TokenSpec], None]:
    """A method whose every rule needs one of the fields (none given: any field will do)."""

    def check(spec: TokenSpec) -> None:
        rules = _block_rules(method)(spec)
        if fields:
            _each_has(method, rules, *fields)

    return check


def _github(spec: TokenSpec) -> None:
    _needing("github", "sub", "repository", "repository_owner")(spec)
    block = spec.github or methods.GitHubBlock()
    require(
        not (block.enterprise_server_host and block.enterprise_slug),
        "spec.github: enterprise_server_host and enterprise_slug exclude each other",
    )
    host = block.enterprise_server_host
    require(
        "/" not in host,
        f"spec.github.enterprise_server_host is {host!r}, expected a host name without scheme or path",
    )


def _gitlab(spec: TokenSpec) -> None:
    _needing("gitlab")(spec)
    block = spec.gitlab or methods.GitLabBlock()
    block.domain = block.domain or "gitlab.com"
    require(
        "/" not in block.domain,
        f"spec.gitlab.domain is {block.domain!r}, expected a host name without scheme or path",
    )


def _circleci(spec: TokenSpec) -> None:
    _needing("circleci")(spec)
    require(spec.circleci and spec.circleci.organization_id, "spec.circleci.organization_id is missing")


def _kubernetes(spec: TokenSpec) -> None:
    _needing("kubernetes", "service_account")(spec)
    block = spec.kubernetes or methods.KubernetesBlock()
    block.type = block.type or "in_cluster"
    for number, rule in enumerate(block.allow):
        namespace, colon, name = rule.service_account.partition(":")
        shape = bool(namespace and colon and name and ":" not in name)
        where = f"spec.kubernetes.allow[{number}].service_account"
        require(shape, f"{where} is {rule.service_account!r}, expected namespace:name")
    jwks = block.static_jwks.jwks if block.static_jwks else ""
    require(
        bool(jwks) == (block.type == "static_jwks"), "spec.kubernetes.static_jwks.jwks goes with type static_jwks"
    )
    issuer = block.oidc.issuer if block.oidc else ""
    require(bool(issuer) == (block.type == "oidc"), "spec.kubernetes.oidc.issuer goes with type oidc")


def _spacelift(spec: TokenSpec) -> None:
    _needing("spacelift")(spec)
    host = spec.spacelift.hostname if spec.spacelift else ""
    require(
        host and "/" not in host, f"spec.spacelift.hostname is {host!r}, expected a host name without scheme or path"
    )


def _terraform_cloud(spec: TokenSpec) -> None:
    _needing("terraform_cloud", "organization_id", "organization_name")(spec)
    rules: list[msgspec.Struct] = list((spec.terraform_cloud or methods.TerraformCloudBlock()).allow)
    _each_has("terraform_cloud", rules, "project_id", "project_name", "workspace_id", "workspace_name")


def _tpm(spec: TokenSpec) -> None:
    _needing("tpm", "ek_public_hash", "ek_certificate_serial")(spec)


def _bitbucket(spec: TokenSpec) -> None:
    _needing("bitbucket", "workspace_uuid", "repository_uuid")(spec)
    block = spec.bitbucket or methods.BitbucketBlock()
    require(block.audience, "spec.bitbucket.audience is missing")
    require(block.identity_provider_url, "spec.bitbucket.identity_provider_url is missing")


def _azure_devops(spec: TokenSpec) -> None:
    _needing("azure_devops", "sub", "project_name", "project_id")(spec)
    require(spec.azure_devops and spec.azure_devops.organization_id, "spec.azure_devops.organization_id is missing")


def _bound_keypair(spec: TokenSpec) -> None:
    require(spec.roles == ["Bot"], "spec.roles: join_method bound_keypair is for role Bot")


_CHECKS: dict[str, Callable[[TokenSpec], None]] = {
    "iam": _iam,
    "ec2": _ec2,
    "azure": _needing("azure", "subscription", "tenant"),
    "gcp": _needing("gcp", "project_ids"),
    "github": _github,
    "gitlab": _gitlab,
    "circleci": _circleci,
    "kubernetes": _kubernetes,
    "spacelift": _spacelift,
    "terraform_cloud": _terraform_cloud,
    "tpm": _tpm,
    "bitbucket": _bitbucket,
    "oracle": _needing("oracle", "tenancy"),
    "azure_devops": _azure_devops,
    "env0": _needing("env0", "organization_id"),
    "bound_keypair": _bound_keypair,
}


class StaticToken(Model):
    """`token` is the secret itself, so it is masked where the struct is printed."""

    token: str
    roles: CommaList = []

    def __repr__(self) -> str:
        return f"StaticToken(token={mask_name(self.token)!r}, roles={self.roles!r})"

    def hidden(self) -> StaticToken:
        """A copy for lists and logs."""
        return StaticToken(token=mask_name(self.token), roles=self.roles)


class StaticTokensSpec(Model):
    static_tokens: list[StaticToken] = []


class StaticTokens(Resource):
    """Tokens of the configuration file; they never expire and cannot be removed."""

    KIND: ClassVar[str] = "static_tokens"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SINGLETON: ClassVar[str] = "static-tokens"

    spec: StaticTokensSpec = msgspec.field(default_factory=StaticTokensSpec)

    def check_spec(self) -> None:
        for token in self.spec.static_tokens:
            require(token.token, "spec.static_tokens: token is empty")
            token.roles = [system_role(role) for role in token.roles]
