"""What a token's join method demands of its spec. Source: resources.md section 4."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from teleport.model.resource import require
from teleport.model.resources import token_methods as methods
from teleport.model.resources.token_methods import JOIN_METHODS, TokenSpec

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


def check_method(spec: TokenSpec) -> None:
    """The rules of the join method. Raises BadParameter."""
    _check_blocks(spec)
    _CHECKS.get(spec.join_method, _nothing)(spec)
