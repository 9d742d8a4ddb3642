"""What is secret in a resource is shown on request alone, for every kind there is."""

from __future__ import annotations

import pytest

from teleport.auth.showing import encoded
from teleport.model.kinds import KINDS
from teleport.model.resource import Metadata
from teleport.model.resources.github_connector import GitHubConnector
from teleport.model.resources.node import Node
from teleport.model.resources.role import Role
from teleport.model.resources.token import StaticToken, StaticTokens, StaticTokensSpec, Token, TokenSpec
from teleport.model.resources.user import User
from teleport.model.secret_fields import may_hold_secrets
from teleport.model.sensitive import Secret


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_looked_at(kind: str) -> None:
    assert may_hold_secrets(KINDS[kind].type) in (True, False)


def test_knows_which_kinds_hold_secrets() -> None:
    assert not any(may_hold_secrets(kind) for kind in (Node, Role, User))
    assert all(may_hold_secrets(kind) for kind in (Token, StaticTokens, GitHubConnector))


def test_static_tokens_and_join_tokens_are_hidden() -> None:
    static = StaticTokens(
        spec=StaticTokensSpec(static_tokens=[StaticToken(token=Secret("hidden-word"), roles=["Node"])])
    )
    token = Token(metadata=Metadata(name="hidden-word-of-a-token"), spec=TokenSpec(roles=["Node"]))
    for resource in (static, token):
        assert b"hidden-word" not in bytes(encoded(resource, with_secrets=False))
        assert b"hidden-word" in bytes(encoded(resource, with_secrets=True))
