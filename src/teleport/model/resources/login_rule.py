"""Login rule: rewrites the traits of users who come from an identity provider."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, require
from teleport.model.values import LabelSelector


class LoginRuleSpec(Model):
    """Lower `priority` first, equal ones by name. `traits_map` drops every trait that it does not list."""

    priority: int = 0
    traits_map: LabelSelector = {}
    traits_expression: str = ""


class LoginRule(Resource):
    KIND: ClassVar[str] = "login_rule"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: LoginRuleSpec = msgspec.field(default_factory=LoginRuleSpec)

    def check_spec(self) -> None:
        spec = self.spec
        require(bool(spec.traits_map) != bool(spec.traits_expression), "exactly one of traits_map, traits_expression")
        if not -(2**31) <= spec.priority < 2**31:
            raise BadParameter(f"spec.priority is {spec.priority}, expected a 32-bit number")
        require(len(spec.traits_expression) <= 65536, "spec.traits_expression is longer than 65536 characters")
