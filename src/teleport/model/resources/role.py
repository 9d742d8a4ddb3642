"""Role, versions v3 to v8: what its holders may and may not do.

What is stored is what was written. What an unset field means depends on the version: ask the methods of Role.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.labels import WILDCARD
from teleport.model.resource import Model, Resource, require
from teleport.model.resources.role_conditions import KubernetesResource, RoleConditions
from teleport.model.resources.role_options import RoleOptions
from teleport.model.resources.role_rules import RESERVED_NAMES, check_conditions
from teleport.model.values import LabelSelector

IMPLICIT_ROLE = "default-implicit-role"
_OPEN_IN_V3 = ("app", "kubernetes", "db")


class RoleSpec(Model):
    options: RoleOptions = msgspec.field(default_factory=RoleOptions)
    allow: RoleConditions = msgspec.field(default_factory=RoleConditions)
    deny: RoleConditions = msgspec.field(default_factory=RoleConditions)


class Role(Resource):
    KIND: ClassVar[str] = "role"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3", "v4", "v5", "v6", "v7", "v8")
    DEFAULT_VERSION: ClassVar[str] = "v7"

    spec: RoleSpec = msgspec.field(default_factory=RoleSpec)

    def allow_labels(self, name: str) -> LabelSelector:
        """The allow selector (`node`, `app`, ... of LABEL_SELECTORS) with the version's default applied."""
        written = self.spec.allow.selector(name)
        if written or self.version != "v3":
            return written
        if name in _OPEN_IN_V3 or (name == "node" and self.spec.allow.logins):
            return {WILDCARD: [WILDCARD]}
        return written

    def deny_labels(self, name: str) -> LabelSelector:
        """The deny selector. An empty `kubernetes` one is `*: *`, so that denied groups and users need no labels."""
        written = self.spec.deny.selector(name)
        if not written and name == "kubernetes" and not self.spec.deny.kubernetes_labels_expression:
            return {WILDCARD: [WILDCARD]}
        return written

    def allow_kubernetes_resources(self) -> list[KubernetesResource]:
        """With the version's default applied: pods before v6, nothing in v6, everything since v7."""
        written = self.spec.allow.kubernetes_resources
        if written or self.version == "v6":
            return written
        everything = KubernetesResource(kind=WILDCARD, name=WILDCARD, namespace=WILDCARD, verbs=[WILDCARD])
        if self.version in ("v3", "v4", "v5"):
            return [msgspec.structs.replace(everything, kind="pod")]
        return [msgspec.structs.replace(everything, api_group=WILDCARD if self.version == "v8" else "")]

    @property
    def moderates_sessions(self) -> bool:
        """Whether `join_sessions` and `require_session_join` are honoured: since v5."""
        return self.version not in ("v3", "v4")

    def check_spec(self) -> None:
        require(self.metadata.name not in RESERVED_NAMES, "the name is reserved for a system role")
        self.spec.options.check()
        idp = self.spec.options.idp
        if self.version == "v8":
            require(
                idp is None or idp.saml is None, "spec.options.idp.saml is not possible in version v8, use app_labels"
            )
        check_conditions(self.spec.allow, self.version, allow=True)
        check_conditions(self.spec.deny, self.version, allow=False)
