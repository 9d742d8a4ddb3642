"""Okta: labels for what is imported, and assignments made there."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Instant, StringList, utc


class OktaMatch(Model):
    """One of the fields."""

    app_ids: StringList = []
    group_ids: StringList = []
    app_name_regexes: StringList = []
    group_name_regexes: StringList = []


class OktaMapping(Model):
    match: list[OktaMatch] = []
    add_labels: dict[str, str] = {}


class OktaImportRuleSpec(Model):
    priority: int = 0
    mappings: list[OktaMapping] = []


class OktaImportRule(Resource):
    KIND: ClassVar[str] = "okta_import_rule"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: OktaImportRuleSpec = msgspec.field(default_factory=OktaImportRuleSpec)

    def check_spec(self) -> None:
        require(self.spec.mappings, "spec.mappings is empty")
        for number, mapping in enumerate(self.spec.mappings):
            require(mapping.match, f"spec.mappings[{number}].match is empty")
            require(mapping.add_labels, f"spec.mappings[{number}].add_labels is empty")


class OktaTarget(Model):
    type: str = ""
    id: str = ""


class OktaAssignmentSpec(Model):
    user: str = ""
    targets: list[OktaTarget] = []
    cleanup_time: Instant | None = None
    status: str = ""
    last_transition: Instant | None = None
    finalized: bool = False


class OktaAssignment(Resource):
    KIND: ClassVar[str] = "okta_assignment"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: OktaAssignmentSpec = msgspec.field(default_factory=OktaAssignmentSpec)

    def check_spec(self) -> None:
        require(self.spec.user, "spec.user is missing")
        self.spec.cleanup_time = utc(self.spec.cleanup_time, "spec.cleanup_time")
        self.spec.last_transition = utc(self.spec.last_transition, "spec.last_transition")
