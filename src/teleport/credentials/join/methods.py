"""Every way to join, on one page: what proves a newcomer, and what its token must say. Built so far: `token`."""

from __future__ import annotations

from typing import Literal

import msgspec

from teleport.foundation.errors import BadParameter, Unsupported

Proof = Literal["secret", "signed request", "identity document", "id token", "hardware", "key pair"]


class JoinMethod(msgspec.Struct, frozen=True, kw_only=True):
    """`block` is the part of the token's spec that holds the rules, `needs` what each rule must name one of.

    `shows` is what the newcomer shows; `renews`: a bot's certificate renews itself instead of joining again.
    """

    name: str
    title: str
    proof: Proof
    shows: str
    block: str = ""
    needs: tuple[str, ...] = ()
    renews: bool = False
    is_built: bool = False


METHODS: tuple[JoinMethod, ...] = (
    JoinMethod(
        name="token",
        title="Shared secret",
        proof="secret",
        shows="the token's name",
        renews=True,
        is_built=True,
    ),
    JoinMethod(
        name="ec2",
        title="AWS EC2 instance",
        proof="identity document",
        shows="instance identity document signed by AWS, accepted for aws_iid_ttl after launch",
        block="allow",
        needs=("aws_account", "aws_role"),
    ),
    JoinMethod(
        name="iam",
        title="AWS IAM role",
        proof="signed request",
        shows="sts GetCallerIdentity request signed over the challenge",
        block="allow",
        needs=("aws_account", "aws_organization_id"),
    ),
    JoinMethod(
        name="azure",
        title="Azure virtual machine",
        proof="identity document",
        shows="attested document over the challenge, and an access token of the managed identity",
        block="azure",
        needs=("subscription", "tenant"),
    ),
    JoinMethod(
        name="gcp",
        title="Google Cloud instance",
        proof="id token",
        shows="instance identity token",
        block="gcp",
        needs=("project_ids",),
    ),
    JoinMethod(
        name="github",
        title="GitHub Actions",
        proof="id token",
        shows="workflow's ID token",
        block="github",
        needs=("sub", "repository", "repository_owner"),
    ),
    JoinMethod(
        name="gitlab",
        title="GitLab CI",
        proof="id token",
        shows="job's ID token",
        block="gitlab",
        needs=("sub", "project_path", "namespace_path"),
    ),
    JoinMethod(
        name="circleci",
        title="CircleCI",
        proof="id token",
        shows="job's ID token of the organization",
        block="circleci",
        needs=("project_id", "context_id"),
    ),
    JoinMethod(
        name="kubernetes",
        title="Kubernetes service account",
        proof="id token",
        shows="projected service account token",
        block="kubernetes",
        needs=("service_account",),
    ),
    JoinMethod(
        name="tpm",
        title="TPM 2.0",
        proof="hardware",
        shows="endorsement key, and a credential activated with it",
        block="tpm",
        needs=("ek_public_hash", "ek_certificate_serial"),
    ),
    JoinMethod(
        name="spacelift",
        title="Spacelift",
        proof="id token",
        shows="run's ID token",
        block="spacelift",
        needs=("space_id", "caller_id"),
    ),
    JoinMethod(
        name="terraform_cloud",
        title="Terraform Cloud",
        proof="id token",
        shows="workload identity token",
        block="terraform_cloud",
        needs=("organization_id", "organization_name"),
    ),
    JoinMethod(
        name="bitbucket",
        title="Bitbucket Pipelines",
        proof="id token",
        shows="step's ID token",
        block="bitbucket",
        needs=("workspace_uuid", "repository_uuid"),
    ),
    JoinMethod(
        name="oracle",
        title="Oracle Cloud instance",
        proof="signed request",
        shows="request signed by the instance principal over the challenge",
        block="oracle",
        needs=("tenancy",),
    ),
    JoinMethod(
        name="azure_devops",
        title="Azure DevOps",
        proof="id token",
        shows="pipeline's ID token",
        block="azure_devops",
        needs=("sub", "project_name", "project_id"),
    ),
    JoinMethod(
        name="bound_keypair",
        title="Bound key pair",
        proof="key pair",
        shows="challenge signed by the key bound to the token",
        block="bound_keypair",
    ),
    JoinMethod(
        name="env0",
        title="env0",
        proof="id token",
        shows="run's ID token",
        block="env0",
        needs=("organization_id",),
    ),
)
_BY_NAME = {method.name: method for method in METHODS}


def method_named(name: str) -> JoinMethod:
    """A method that can be used here; no name means `token`. Raises BadParameter, or Unsupported by name."""
    method = _BY_NAME.get(name or "token")
    if method is None:
        raise BadParameter(f"join method {name!r} is not known, expected one of {', '.join(_BY_NAME)}")
    if not method.is_built:
        raise Unsupported(f"join method {method.name} ({method.title}) is not offered here yet; use method token")
    return method
