"""Provision token: how a host, a bot or a leaf cluster may join. For `token` and `ec2` its name is the secret."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.resources.token_methods import JOIN_METHODS, SECRET_METHODS, TokenSpec
from teleport.model.resources.token_rules import check_method
from teleport.model.sensitive import Secret, mask_name
from teleport.model.values import CommaList

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
        check_method(spec)

    def _check_bot(self) -> None:
        if "Bot" in self.spec.roles:
            require(len(self.spec.roles) == 1, "spec.roles: Bot must be the only role of a token")
            require(self.spec.bot_name, "spec.bot_name is missing, role Bot needs it")
        else:
            require(not self.spec.bot_name, "spec.bot_name is set, but only role Bot may have it")


class StaticToken(Model):
    """`token` is the secret itself."""

    token: Secret[str]
    roles: CommaList = []


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


__all__ = [
    "JOIN_METHODS",
    "SECRET_METHODS",
    "TOKEN_ROLES",
    "StaticToken",
    "StaticTokens",
    "StaticTokensSpec",
    "Token",
    "TokenSpec",
    "TokenStatus",
    "system_role",
]
