"""Tokens: roles, join methods and their rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model import codec
from teleport.model.resources.token import JOIN_METHODS, Token

ONE_RULE: dict[str, dict[str, Any]] = {
    "token": {},
    "ec2": {"allow": [{"aws_account": "1", "aws_regions": ["eu-west-1"], "aws_role": "arn:aws:iam::1:role/x"}]},
    "iam": {"allow": [{"aws_account": "1", "aws_arn": "arn:aws:sts::1:assumed-role/a*/?"}]},
    "azure": {"azure": {"allow": [{"subscription": "s", "resource_groups": ["g"]}]}},
    "gcp": {"gcp": {"allow": [{"project_ids": ["p"], "locations": ["l"], "service_accounts": ["a"]}]}},
    "github": {
        "github": {
            "enterprise_server_host": "ghes.example.com",
            "allow": [{"repository": "o/r", "ref_type": "branch"}],
        }
    },
    "gitlab": {
        "gitlab": {"domain": "gitlab.example.com", "allow": [{"project_path": "a/*", "ref_protected": "yes"}]}
    },
    "circleci": {"circleci": {"organization_id": "o", "allow": [{"project_id": "p", "context_id": "c"}]}},
    "kubernetes": {"kubernetes": {"type": "in_cluster", "allow": [{"service_account": "ns:name"}]}},
    "spacelift": {
        "spacelift": {"hostname": "x.app.spacelift.io", "allow": [{"space_id": "s", "caller_type": "stack"}]}
    },
    "terraform_cloud": {
        "terraform_cloud": {"audience": "a", "allow": [{"organization_name": "o", "project_name": "p"}]}
    },
    "tpm": {"tpm": {"ekcert_allowed_cas": ["pem"], "allow": [{"description": "d", "ek_public_hash": "h"}]}},
    "bitbucket": {"bitbucket": {"audience": "a", "identity_provider_url": "u", "allow": [{"workspace_uuid": "{1}"}]}},
    "oracle": {"oracle": {"allow": [{"tenancy": "t", "regions": ["r"]}]}},
    "azure_devops": {"azure_devops": {"organization_id": "o", "allow": [{"project_name": "p"}]}},
    "bound_keypair": {
        "roles": ["Bot"],
        "bot_name": "b",
        "bound_keypair": {"recovery": {"limit": 1, "mode": "standard"}},
    },
    "env0": {"env0": {"allow": [{"organization_id": "o", "project_name": "p"}]}},
}


def token(name: str = "secret-token-name", **spec: Any) -> Token:
    spec.setdefault("roles", ["Node"])
    found = codec.decode_document({"kind": "token", "version": "v2", "metadata": {"name": name}, "spec": spec})
    assert isinstance(found, Token)
    return found


def refused(**spec: Any) -> str:
    with pytest.raises(BadParameter) as refusal:
        token(**spec)
    return refusal.value.message


@pytest.mark.parametrize("method", JOIN_METHODS)
def test_every_join_method_has_a_whole_example(method: str) -> None:
    found = token(join_method=method, **ONE_RULE[method])
    assert codec.from_yaml(codec.to_yaml([found])) == [found]


@pytest.mark.parametrize("method", sorted(set(JOIN_METHODS) - {"token"}))
def test_a_method_without_its_block_lets_nobody_in(method: str) -> None:
    spec = {key: value for key, value in ONE_RULE[method].items() if key in ("roles", "bot_name")}
    assert method in refused(join_method=method, **spec)


@pytest.mark.parametrize("method", sorted(set(JOIN_METHODS) - {"token", "iam", "ec2", "bound_keypair"}))
def test_no_rule_and_an_empty_rule_are_refused(method: str) -> None:
    block = ONE_RULE[method][method]
    assert "at least one rule" in refused(join_method=method, **{method: {**block, "allow": []}})
    assert "everybody" in refused(join_method=method, **{method: {**block, "allow": [*block["allow"], {}]}})


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"roles": []}, "spec.roles"),
        ({"roles": ["Nodes"]}, "Nodes"),
        ({"roles": ["Bot"]}, "bot_name"),
        ({"roles": ["Bot", "Node"], "bot_name": "b"}, "only role"),
        ({"bot_name": "b"}, "bot_name"),
        ({"join_method": "magic"}, "join_method"),
        ({"uses": -1}, "uses"),
        ({"allow": [{"aws_account": "1"}]}, "spec.allow"),
        ({"join_method": "iam", "allow": [{"aws_arn": "x"}]}, "aws_account"),
        ({"join_method": "iam", "allow": [{"aws_account": "1", "aws_role": "x"}]}, "aws_role"),
        ({"join_method": "ec2", "allow": [{"aws_account": "1", "aws_arn": "x"}]}, "aws_arn"),
        ({"join_method": "gcp", "gcp": {"allow": [{"locations": ["x"]}]}}, "project_ids"),
        ({"join_method": "github", "github": {"allow": [{"workflow": "x"}]}}, "repository"),
        (
            {"join_method": "github", "github": {"allow": [{"sub": "x"}]}, "gitlab": {"allow": [{"sub": "x"}]}},
            "gitlab",
        ),
        (
            {
                "join_method": "github",
                "github": {"enterprise_server_host": "h", "enterprise_slug": "s", "allow": [{"sub": "x"}]},
            },
            "exclude",
        ),
        ({"join_method": "gitlab", "gitlab": {"domain": "https://x", "allow": [{"sub": "x"}]}}, "domain"),
        ({"join_method": "circleci", "circleci": {"allow": [{"project_id": "x"}]}}, "organization_id"),
        ({"join_method": "kubernetes", "kubernetes": {"allow": [{"service_account": "name"}]}}, "namespace:name"),
        (
            {
                "join_method": "kubernetes",
                "kubernetes": {"type": "static_jwks", "allow": [{"service_account": "a:b"}]},
            },
            "jwks",
        ),
        ({"join_method": "terraform_cloud", "terraform_cloud": {"allow": [{"project_id": "x"}]}}, "organization"),
        ({"join_method": "terraform_cloud", "terraform_cloud": {"allow": [{"organization_id": "x"}]}}, "workspace"),
        ({"join_method": "tpm", "tpm": {"allow": [{"description": "x"}]}}, "ek_public_hash"),
    ],
)
def test_tokens_that_are_refused(spec: dict[str, Any], word: str) -> None:
    assert word in refused(**spec)


def test_role_names_in_any_case() -> None:
    assert token(roles=["node", "APP", "windowsdesktop", "trusted_cluster"]).spec.roles == [
        "Node",
        "App",
        "WindowsDesktop",
        "Trusted_cluster",
    ]
    assert token(roles="node,db").spec.roles == ["Node", "Db"]


def test_only_secret_methods_mask_the_name() -> None:
    assert token().display_name == "*************name"
    assert token("short").display_name == "****t"
    assert token("abcd").display_name == "****"
    assert token("my-ci", join_method="github", **ONE_RULE["github"]).display_name == "my-ci"


def test_uses_and_expiry() -> None:
    found = token(uses=2)
    assert found.uses_left == 2
    assert token().uses_left is None
    found.metadata.expires = datetime(2030, 1, 1, tzinfo=UTC)
    assert found.is_expired(datetime(2030, 1, 1, tzinfo=UTC))
    assert not found.is_expired(datetime(2029, 12, 31, tzinfo=UTC))


def test_static_tokens_of_the_file() -> None:
    (found,) = codec.from_yaml(
        "kind: static_tokens\nversion: v2\nspec:\n  static_tokens:\n  - {token: abc, roles: 'proxy,node'}\n"
    )
    assert found.name == "static-tokens"
    assert codec.to_plain(found)["spec"] == {"static_tokens": [{"token": "abc", "roles": ["Proxy", "Node"]}]}
